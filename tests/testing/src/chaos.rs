//! A way to a server that fails as ways and servers do: refused, hanging, reset, wrong answers,
//! wrong certificates. It stands between a backend under test and a fake of its upstream.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::fake_gitea::tls::{Flaw, acceptor};

/// What the way does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What it should.
    Passes,
    /// Nobody listens.
    Refuses,
    /// Connections are taken, and nothing is ever said.
    Hangs,
    /// Connections are reset once a request was sent.
    Resets,
    /// Every request is answered with this status and these further lines of a head.
    Answers(u16, &'static str),
    /// The certificate is one of yesterday's.
    Expired,
}

/// A running way. It ends with this value.
pub struct Chaos {
    address: SocketAddr,
    behind: String,
    certificates: Option<Certificates>,
    /// Requests or connections that arrived at a failing way, and connections at a passing one.
    arrived: Arc<AtomicUsize>,
    now: Mutex<Now>,
}

struct Certificates {
    good: TlsAcceptor,
    expired: TlsAcceptor,
    ca_file: tempfile::NamedTempFile,
}

/// Either somebody listens, or the port is held so that nobody else can.
enum Now {
    Listening(JoinHandle<()>),
    Held { _socket: TcpSocket },
    Between,
}

impl Chaos {
    /// A way that passes to the server at this `host:port`; over TLS if asked for.
    pub async fn to(behind: &str, tls: bool) -> Self {
        let certificates = tls.then(|| {
            let (good, ca_file) = acceptor(Flaw::Nothing);
            let (expired, _) = acceptor(Flaw::Expired);
            Certificates { good, expired, ca_file }
        });
        let socket = socket("127.0.0.1:0".parse().unwrap());
        let address = socket.local_addr().unwrap();
        let now = Mutex::new(Now::Held { _socket: socket });
        let arrived = Arc::default();
        let this = Self { address, behind: behind.to_owned(), certificates, arrived, now };
        this.set(Way::Passes).await;
        this
    }

    /// The address to configure.
    pub fn url(&self) -> String {
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The file of the authority that signed the good certificate.
    pub fn ca_file(&self) -> Option<std::path::PathBuf> {
        self.certificates.as_ref().map(|certificates| certificates.ca_file.path().to_owned())
    }

    /// Cuts every connection; new ones meet this.
    pub async fn set(&self, way: Way) {
        let former = std::mem::replace(&mut *self.now.lock(), Now::Between);
        let held = match former {
            Now::Held { _socket: socket } => Some(socket),
            Now::Listening(task) => {
                task.abort();
                task.await.ok();
                None
            }
            Now::Between => None,
        };
        let socket = held.unwrap_or_else(|| socket(self.address));
        let now = if way == Way::Refuses {
            Now::Held { _socket: socket }
        } else {
            let listener = socket.listen(1024).unwrap();
            let certificates = self.certificates.as_ref();
            let tls = certificates.map(|held| match way {
                Way::Expired => held.expired.clone(),
                _ => held.good.clone(),
            });
            let (behind, arrived) = (self.behind.clone(), Arc::clone(&self.arrived));
            Now::Listening(tokio::spawn(serve(listener, way, tls, behind, arrived)))
        };
        *self.now.lock() = now;
    }

    /// How much arrived since the last look.
    pub fn take_arrived(&self) -> usize {
        self.arrived.swap(0, Ordering::SeqCst)
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        if let Now::Listening(task) = &*self.now.lock() {
            task.abort();
        }
    }
}

fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

async fn serve(
    listener: TcpListener,
    way: Way,
    tls: Option<TlsAcceptor>,
    behind: String,
    arrived: Arc<AtomicUsize>,
) {
    // Connections end with the way that took them.
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let (tls, behind, arrived) = (tls.clone(), behind.clone(), Arc::clone(&arrived));
        connections.spawn(async move {
            if matches!(way, Way::Hangs | Way::Passes | Way::Expired) {
                arrived.fetch_add(1, Ordering::SeqCst);
            }
            if way == Way::Hangs {
                return hang(socket).await;
            }
            if way == Way::Resets {
                socket.set_zero_linger().unwrap();
            }
            match tls {
                None => connection(socket, way, &behind, &arrived).await,
                Some(tls) => {
                    if let Ok(socket) = tls.accept(socket).await {
                        connection(socket, way, &behind, &arrived).await;
                    }
                }
            }
        });
    }
}

async fn hang(socket: TcpStream) {
    std::future::pending::<()>().await;
    drop(socket);
}

async fn connection(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    way: Way,
    behind: &str,
    arrived: &AtomicUsize,
) {
    let Way::Answers(status, lines) = way else {
        if way == Way::Resets {
            head(&mut socket).await;
            arrived.fetch_add(1, Ordering::SeqCst);
            return;
        }
        if let Ok(mut server) = TcpStream::connect(behind).await {
            copy_bidirectional(&mut socket, &mut server).await.ok();
        }
        return;
    };
    while head(&mut socket).await {
        arrived.fetch_add(1, Ordering::SeqCst);
        let answer = format!("HTTP/1.1 {status} No\r\n{lines}content-length: 0\r\n\r\n");
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads a request without a body; whether there was one.
async fn head(socket: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(_) => return false,
        }
    }
    true
}
