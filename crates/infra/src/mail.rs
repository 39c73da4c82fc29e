//! Mail: a bounded queue in this process, and one thread that delivers, by SMTP or into a folder.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::{Error as SmtpError, SmtpTransport};
use lettre::{Address, Transport};
use tenantry_app::{Mail, Mailer};
use uuid::Uuid;

/// How many mails may wait; more are dropped, and whoever misses one asks for it again.
const QUEUE: usize = 256;
/// How long to wait before each further attempt.
const PAUSES: &[Duration] = &[Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];
/// How long a mail server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where mail goes.
#[derive(Clone)]
pub enum Delivery {
    /// To a mail server, `smtps://user:password@host`.
    Smtp(String),
    /// Into a folder that only we can read, one file for each mail: for development.
    Folder(PathBuf),
    /// Nowhere.
    Disabled,
}

/// What is wrong with the settings of mail. Never names the URL, which holds a password.
#[derive(Debug, thiserror::Error)]
pub enum InvalidMailSettings {
    /// Not a URL of a mail server.
    #[error("mail.smtp_url must be a URL such as smtps://user:password@smtp.example.com")]
    Url,
    /// Not an address.
    #[error("mail.from must be an address such as Tenantry <no-reply@example.com>")]
    From,
    /// No thread could be started.
    #[error("mail cannot be delivered in the background")]
    Thread(#[source] io::Error),
}

/// Delivers mail behind its callers' backs. Whatever waits when the process ends is lost.
pub struct MailQueue(Option<SyncSender<Mail>>);

impl MailQueue {
    /// Begins to deliver; the thread ends with the queue.
    pub fn start(delivery: &Delivery, from: &str) -> Result<Self, InvalidMailSettings> {
        Self::start_with(delivery, from, PAUSES)
    }

    fn start_with(delivery: &Delivery, from: &str, pauses: &'static [Duration]) -> Result<Self, InvalidMailSettings> {
        let from = from.parse().map_err(|_| InvalidMailSettings::From)?;
        let carrier = match delivery {
            Delivery::Smtp(url) => {
                let smtp = SmtpTransport::from_url(url).map_err(|_| InvalidMailSettings::Url)?;
                Carrier::Smtp(Box::new(smtp.timeout(Some(PATIENCE)).build()))
            }
            Delivery::Folder(folder) => Carrier::Folder(folder.clone()),
            Delivery::Disabled => return Ok(Self(None)),
        };
        let (send, receive) = sync_channel(QUEUE);
        let deliver = move || deliver_all(&receive, &carrier, &from, pauses);
        std::thread::Builder::new().name("mail".to_owned()).spawn(deliver).map_err(InvalidMailSettings::Thread)?;
        Ok(Self(Some(send)))
    }
}

impl Mailer for MailQueue {
    fn send(&self, mail: Mail) {
        if let Some(queue) = &self.0
            && queue.try_send(mail).is_err()
        {
            tracing::error!("a mail was dropped: too many are waiting");
        }
    }
}

enum Carrier {
    Smtp(Box<SmtpTransport>),
    Folder(PathBuf),
}

/// Why a mail was not delivered. The texts of mail servers repeat addresses: they are not for logs.
enum Undelivered {
    /// Another attempt would end the same way.
    ForGood(&'static str),
    /// Another attempt may succeed.
    ForNow(&'static str),
}

fn deliver_all(mails: &Receiver<Mail>, carrier: &Carrier, from: &Mailbox, pauses: &[Duration]) {
    while let Ok(mail) = mails.recv() {
        if let Err(reason) = deliver(carrier, from, mail, pauses) {
            tracing::error!(reason, "a mail could not be delivered");
        }
    }
}

fn deliver(carrier: &Carrier, from: &Mailbox, mail: Mail, pauses: &[Duration]) -> Result<(), &'static str> {
    let message = message(from, mail).ok_or("the address or the text cannot be mailed")?;
    let mut pauses = pauses.iter();
    loop {
        match (carrier.carry(&message), pauses.next()) {
            (Ok(()), _) => return Ok(()),
            (Err(Undelivered::ForNow(_)), Some(pause)) => std::thread::sleep(*pause),
            (Err(Undelivered::ForNow(reason) | Undelivered::ForGood(reason)), _) => return Err(reason),
        }
    }
}

fn message(from: &Mailbox, mail: Mail) -> Option<Message> {
    let to: Address = mail.to.as_str().parse().ok()?;
    let message = Message::builder().from(from.clone()).to(Mailbox::new(None, to)).subject(mail.subject);
    message.header(ContentType::TEXT_PLAIN).body(mail.text).ok()
}

impl Carrier {
    fn carry(&self, message: &Message) -> Result<(), Undelivered> {
        match self {
            Self::Smtp(smtp) => smtp.send(message).map(|_| ()).map_err(|error| undelivered(&error)),
            Self::Folder(folder) => {
                let keep = keep(folder, &message.formatted());
                keep.map_err(|_| Undelivered::ForGood("the folder of mails cannot be written"))
            }
        }
    }
}

fn undelivered(error: &SmtpError) -> Undelivered {
    if error.is_permanent() {
        Undelivered::ForGood("the mail server refused it")
    } else if error.is_transient() {
        Undelivered::ForNow("the mail server did not take it yet")
    } else {
        Undelivered::ForNow("the mail server cannot be reached")
    }
}

/// Writes a mail whole or not at all, where only we can read it.
fn keep(folder: &Path, mail: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let name = Uuid::now_v7();
    let (new, kept) = (folder.join(format!("{name}.new")), folder.join(format!("{name}.eml")));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(mail)?;
    fs::rename(new, kept)
}

#[cfg(test)]
mod tests;
