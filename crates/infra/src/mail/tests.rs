use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use tenantry_tenancy::Email;

use super::*;

const SOON: Duration = Duration::from_secs(30);
const FROM: &str = "Tenantry <no-reply@example.com>";

fn mail() -> Mail {
    let to = Email::parse("ada@example.com").unwrap();
    Mail { to, subject: "Hello".to_owned(), text: "A line.\nAnother line.\n".to_owned() }
}

/// A mail server that answers each attempt at a recipient with the next of `answers`, and tells what it was sent.
fn server(answers: &'static [&'static str]) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let (send, receive) = channel();
    thread::spawn(move || {
        for (stream, answer) in listener.incoming().zip(answers) {
            let _ = talk(stream.unwrap(), answer, &send);
        }
    });
    (url, receive)
}

fn talk(mut stream: TcpStream, answer: &str, told: &Sender<String>) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    writeln!(stream, "220 ready\r")?;
    while let Some(Ok(line)) = lines.next() {
        let reply = match line.split(' ').next().unwrap_or_default() {
            "RCPT" => answer,
            "DATA" => {
                writeln!(stream, "354 go on\r")?;
                let content = lines.by_ref().map_while(Result::ok).take_while(|line| line != ".");
                told.send(content.collect::<Vec<_>>().join("\n")).unwrap();
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 fine",
        };
        if line.starts_with("RCPT") {
            told.send(line).unwrap();
        }
        writeln!(stream, "{reply}\r")?;
    }
    Ok(())
}

fn queue(url: String) -> MailQueue {
    MailQueue::start_with(&Delivery::Smtp(url), FROM, &[Duration::ZERO; 2]).unwrap()
}

#[test]
fn a_mail_reaches_its_server() {
    let (url, told) = server(&["250 fine"]);

    queue(url).send(mail());

    assert_eq!(told.recv_timeout(SOON).unwrap(), "RCPT TO:<ada@example.com>");
    let content = told.recv_timeout(SOON).unwrap();
    for line in ["From: Tenantry <no-reply@example.com>", "To: ada@example.com", "Subject: Hello", "Another line."] {
        assert!(content.lines().any(|it| it == line), "{line} is missing in {content}");
    }
}

#[test]
fn what_a_server_does_not_take_yet_is_tried_again_and_what_it_refuses_is_not() {
    let (url, told) = server(&["451 later", "550 nobody here", "451 later", "250 fine"]);
    let queue = queue(url);

    queue.send(mail());
    queue.send(mail());

    // Two attempts at the first, of which the second is final; two at the second, of which the last succeeds.
    let told: Vec<String> = (0..5).map(|_| told.recv_timeout(SOON).unwrap()).collect();
    assert!(told[..4].iter().all(|line| line.starts_with("RCPT")) && told[4].contains("Another line."), "{told:?}");
}

#[test]
fn a_mail_in_a_folder_is_readable_by_its_owner_alone() {
    let folder = std::env::temp_dir().join(format!("tenantry-mail-{}", Uuid::now_v7()));
    let from = FROM.parse().unwrap();

    deliver(&Carrier::Folder(folder.clone()), &from, mail(), &[]).unwrap();

    let files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(fs::read_to_string(file).unwrap().contains("Another line."));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn settings_that_cannot_be_used_are_refused_and_not_repeated() {
    let start = |url: &str, from| MailQueue::start(&Delivery::Smtp(url.to_owned()), from).err().unwrap().to_string();

    assert!(start("http://user:secret@host", FROM).contains("mail.smtp_url"));
    assert!(!start("http://user:secret@host", FROM).contains("secret@"));
    assert!(start("smtps://host", "nobody").contains("mail.from"));
}
