//! A bare connection, for requests that no HTTP client would send.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{PATIENCE, Response};

/// A connection on which a test writes what it likes.
pub struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub async fn open(base: &str) -> Self {
        let stream = TcpStream::connect(base.strip_prefix("http://").unwrap()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    /// Sends bytes as they are; false if the server has hung up.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// The next answer, read whole; `None` if the server hung up without one.
    pub async fn answer(&mut self) -> Option<Response> {
        tokio::time::timeout(PATIENCE, self.read_answer()).await.expect("an answer in time")
    }

    async fn read_answer(&mut self) -> Option<Response> {
        loop {
            if let Some(response) = self.parsed() {
                return Some(response);
            }
            if self.stream.read_buf(&mut self.read).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The answer at the front of what was read, if it is whole. Ours always say how long they are.
    fn parsed(&mut self) -> Option<Response> {
        let head_end = self.read.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.read[..head_end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let mut headers = reqwest::header::HeaderMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            let name: reqwest::header::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let length: usize = headers.get("content-length").map_or(0, |it| it.to_str().unwrap().parse().unwrap());
        let body = self.read.get(head_end..head_end + length)?.to_vec();
        self.read.drain(..head_end + length);
        Some(Response::new(status, headers, String::from_utf8(body).unwrap()))
    }
}
