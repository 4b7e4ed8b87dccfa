//! Ways to write an address that nobody outside may make us dial, and somebody who listens there.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};

/// `PORT` is the canary's, which listens at every address of this machine.
pub(super) const PRIVATE: [&str; 72] = [
    // As they are meant to be written.
    "http://127.0.0.1:PORT/",
    "http://127.127.127.127:PORT/",
    "http://0.0.0.0:PORT/",
    "http://0.1.2.3:PORT/",
    "http://10.0.0.1:PORT/",
    "http://100.64.0.1:PORT/",
    "http://100.127.255.254:PORT/",
    "http://169.254.169.254/latest/meta-data",
    "http://169.254.170.2/v2/credentials",
    "http://172.16.0.1:PORT/",
    "http://172.31.255.254:PORT/",
    "http://192.0.0.192/opc/v2",
    "http://192.0.2.1:PORT/",
    "http://192.88.99.1:PORT/",
    "http://192.168.0.1:PORT/",
    "http://198.18.0.1:PORT/",
    "http://198.51.100.1:PORT/",
    "http://203.0.113.1:PORT/",
    "http://224.0.0.1:PORT/",
    "http://240.0.0.1:PORT/",
    "http://255.255.255.255:PORT/",
    // As one number, octal, hexadecimal, short, mixed, with a dot at the end.
    "http://2130706433:PORT/",
    "http://017700000001:PORT/",
    "http://0x7f000001:PORT/",
    "http://0x7f.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0x7f.0.0.0x1:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://0:PORT/",
    "http://0x0:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://2852039166/latest/meta-data",
    "http://0xa9fea9fe/latest/meta-data",
    "http://0251.0376.0251.0376/latest/meta-data",
    // In other digits and dots, which mean the same in a host's name; encoded and raw.
    "http://%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1:PORT/",
    "http://127%E3%80%820%E3%80%820%E3%80%821:PORT/",
    "http://%E2%91%A0%E2%91%A1%E2%91%A6.%E2%93%AA.%E2%93%AA.%E2%91%A0:PORT/",
    "http://１２７.0.0.1:PORT/",
    "http://127。0。0。1:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    // IPv6: this machine, local links and networks, and every wrapping of IPv4.
    "http://[::]:PORT/",
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::ffff:0:127.0.0.1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://[64:ff9b:1::7f00:1]:PORT/",
    "http://[2001:0:7f00:1::]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[fc00::1]:PORT/",
    "http://[fd00:ec2::254]/latest/meta-data",
    "http://[fe80::1]:PORT/",
    "http://[fe80::1%25lo]:PORT/",
    "http://[fec0::1]:PORT/",
    "http://[ff02::1]:PORT/",
    "http://[2001:db8::1]:PORT/",
    "http://[3fff::1]:PORT/",
    // With a user that looks like a host, or slashes that do not look like slashes.
    "http://user:password@127.0.0.1:PORT/",
    "http://public.example@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT\\@public.example/",
    "//127.0.0.1:PORT/",
    "\\\\127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    // Names of this machine. Others that resolve to private addresses: src/http/egress.rs.
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    // Not HTTP at all.
    "file:///etc/passwd",
    "gopher://127.0.0.1:PORT/",
    "ftp://127.0.0.1:PORT/",
    "data:text/plain,x",
];

/// Somebody who is never to be connected to.
pub(super) struct Canary {
    listener: TcpListener,
    port: u16,
}

impl Canary {
    /// Listens at all addresses of this machine, those of IPv6 included where it has any.
    pub(super) fn listen() -> Self {
        let listener = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0"));
        let listener = listener.unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let canary = Self { listener, port };
        let control = TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert!(canary.heard(), "it would not hear anybody");
        drop(control);
        canary
    }

    /// An address of the table with the port of this canary.
    pub(super) fn at(&self, address: &str) -> String {
        address.replace("PORT", &self.port.to_string())
    }

    /// Whether somebody has connected since the last look.
    pub(super) fn heard(&self) -> bool {
        match self.listener.accept() {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                false
            }
        }
    }
}
