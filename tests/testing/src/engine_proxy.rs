//! A proxy before a server on a socket: passes on, holds, cuts, or changes what the server says.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

/// What happens to what a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Open,
    /// It comes that much later.
    Slow(Duration),
    /// It never comes.
    Held,
    /// Connections are closed, and new ones, too.
    Cut,
}

type Words = Arc<Mutex<Option<(String, String)>>>;

/// The proxy. Ends with its value.
pub struct EngineProxy {
    pub address: SocketAddr,
    way: watch::Sender<Way>,
    socket: Arc<Mutex<PathBuf>>,
    words: Words,
    tls: Arc<Mutex<Option<TlsAcceptor>>>,
    _accepting: JoinSet<()>,
}

impl EngineProxy {
    pub(crate) async fn start(socket: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (way, _) = watch::channel(Way::Open);
        let (words, tls) = (Words::default(), Arc::new(Mutex::new(None::<TlsAcceptor>)));
        let mut accepting = JoinSet::new();
        let socket = Arc::new(Mutex::new(socket.to_owned()));
        let (target, ways, said, acceptor) =
            (Arc::clone(&socket), way.subscribe(), Arc::clone(&words), Arc::clone(&tls));
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((client, _)) = listener.accept().await else { continue };
                client.set_nodelay(true).unwrap();
                let socket = target.lock().clone();
                let (ways, said) = (ways.clone(), Arc::clone(&said));
                let acceptor = acceptor.lock().clone();
                connections.spawn(async move {
                    match acceptor {
                        Some(acceptor) => {
                            let Ok(client) = acceptor.accept(client).await else { return };
                            pass(client, socket, ways, said).await;
                        }
                        None => pass(client, socket, ways, said).await,
                    }
                });
            }
        });
        Self { address, way, socket, words, tls, _accepting: accepting }
    }

    /// `redis://127.0.0.1:PORT/0`.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// Leads new connections to another server.
    pub(crate) fn lead_to(&self, socket: &Path) {
        socket.clone_into(&mut self.socket.lock());
    }

    /// Changes what happens, also to connections that are there.
    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// Replaces a text in what the server says from now on by one of the same length.
    pub fn says(&self, instead_of: &str, text: &str) {
        assert_eq!(instead_of.len(), text.len(), "lengths are told before the text");
        *self.words.lock() = Some((instead_of.to_owned(), text.to_owned()));
    }

    /// Speaks TLS to new clients.
    pub fn speak_tls(&self, acceptor: TlsAcceptor) {
        *self.tls.lock() = Some(acceptor);
    }
}

async fn pass(
    client: impl AsyncRead + AsyncWrite + Send,
    socket: PathBuf,
    mut ways: watch::Receiver<Way>,
    words: Words,
) {
    if *ways.borrow() == Way::Cut {
        return;
    }
    let Ok(server) = UnixStream::connect(socket).await else { return };
    let (mut from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = split(server);
    let mut cut = ways.clone();
    let answers = async {
        let mut bytes = vec![0; 1 << 16];
        loop {
            let Ok(count @ 1..) = from_server.read(&mut bytes).await else { return };
            let way = *ways.borrow();
            match way {
                Way::Slow(time) => sleep(time).await,
                Way::Held => drop(ways.wait_for(|way| *way != Way::Held).await),
                Way::Open | Way::Cut => {}
            }
            let mut said = bytes[..count].to_vec();
            if let Some((from, to)) = &*words.lock() {
                let places: Vec<_> =
                    said.windows(from.len()).map(|w| w == from.as_bytes()).collect();
                for place in (0..places.len()).filter(|place| places[*place]) {
                    said[place..place + to.len()].copy_from_slice(to.as_bytes());
                }
            }
            if to_client.write_all(&said).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = answers => {}
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        _ = cut.wait_for(|way| *way == Way::Cut) => {}
    }
}
