//! What systemd is told by a service that it supervises.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use crate::support::program::Running;

/// The socket of a supervisor, and its address for the environment.
fn supervisor(dir: &Path) -> (UnixDatagram, String) {
    let path = dir.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    // Only a broken service is waited for this long.
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (socket, path.display().to_string())
}

fn next(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let length = socket.recv(&mut buffer).expect("the service told nothing");
    String::from_utf8(buffer[..length].to_vec()).unwrap().trim_end().to_owned()
}

fn wait_for(socket: &UnixDatagram, message: &str) {
    while next(socket) != message {}
}

#[test]
fn it_is_told_of_the_start_of_life_and_of_the_stop() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, path) = supervisor(dir.path());
    let environment = [("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", "100000")];
    let running = Running::start_with(dir.path(), &["--demo"], &environment);
    wait_for(&socket, "READY=1");
    wait_for(&socket, "WATCHDOG=1");
    wait_for(&socket, "WATCHDOG=1");
    running.signal("-TERM");
    wait_for(&socket, "STOPPING=1");
    assert!(running.wait().0.success());
}

#[test]
fn a_backend_that_is_down_does_not_keep_the_service_from_being_ready() {
    let dir = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "[gitea]\nurl = \"http://{}\"\norganization = \"x\"\n",
        silent.local_addr().unwrap()
    );
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    let (socket, path) = supervisor(dir.path());
    let environment = [("NOTIFY_SOCKET", path.as_str())];
    let running = Running::start_with(dir.path(), &["--host", "127.0.0.1"], &environment);
    assert_eq!(next(&socket), "READY=1", "and no watchdog, which nobody asked for");
    running.signal("-TERM");
    assert_eq!(next(&socket), "STOPPING=1");
}
