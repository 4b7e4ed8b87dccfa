//! A server that answers as the test says, and remembers what it was asked.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The head of a request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub target: String,
    /// The lines of the head, in lower case.
    pub head: String,
}

/// A server. Its thread ends with the program of the tests.
pub struct Fake {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// A server that writes what this function returns, and closes the connection.
    pub fn answering(answer: impl Fn(&Asked) -> Vec<u8> + Send + 'static) -> Self {
        Self::writing(move |asked, stream| {
            let _ = stream.write_all(&answer(asked));
        })
    }

    /// A server that passes each connection to this function after the head of the request.
    pub fn writing(write: impl Fn(&Asked, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let all: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let seen = Arc::clone(&all);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let Some(asked) = read(&mut stream) else { continue };
                seen.lock().unwrap().push(asked.clone());
                write(&asked, &mut stream);
            }
        });
        Self { url, asked: all }
    }

    /// Everything that it was asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let mut words = head.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some(Asked { method, target, head: head.to_lowercase() })
}

/// A response with a body.
pub fn response(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// An error of a registry.
pub fn problem(status: &str, code: &str, message: &str) -> Vec<u8> {
    let body = serde_json::json!({"error": code, "message": message}).to_string();
    response(status, "content-type: application/json\r\n", body)
}
