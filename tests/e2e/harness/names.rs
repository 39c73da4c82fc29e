//! A name server that knows what a test tells it.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{LazyLock, Mutex};
use std::thread;

/// Answers questions for TXT records (RFC 1035); every other name does not exist.
pub struct NameServer {
    pub address: SocketAddr,
    records: Mutex<HashMap<String, String>>,
}

/// The one that every instance asks.
pub fn names() -> &'static NameServer {
    static SERVER: LazyLock<&'static NameServer> = LazyLock::new(NameServer::start);
    &SERVER
}

impl NameServer {
    fn start() -> &'static Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let server: &Self = Box::leak(Box::new(Self { address, records: Mutex::default() }));
        thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                let answer = answer(&question[..length], &server.records.lock().unwrap());
                socket.send_to(&answer, from).unwrap();
            }
        });
        server
    }

    /// Says that a name has one TXT record with this text.
    pub fn set(&self, name: &str, text: &str) {
        self.records.lock().unwrap().insert(name.to_owned(), text.to_owned());
    }
}

fn answer(question: &[u8], records: &HashMap<String, String>) -> Vec<u8> {
    let (mut labels, mut at) = (Vec::new(), 12);
    while question[at] != 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8(question[at + 1..=at + length].to_vec()).unwrap().to_lowercase());
        at += 1 + length;
    }
    // The name's end, its type and its class.
    let asked = &question[12..at + 5];
    let record = records.get(&labels.join("."));
    let mut answer = question[..2].to_vec();
    // An answer without errors, or "no such name"; one question, one or no record, nothing else.
    answer.extend([0x81, if record.is_some() { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(record.is_some()), 0, 0, 0, 0]);
    answer.extend(asked);
    if let Some(text) = record {
        let length = u8::try_from(text.len()).unwrap();
        // The name above, TXT, IN, no time to live.
        answer.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 0, 0, length + 1, length]);
        answer.extend(text.bytes());
    }
    answer
}
