//! Download with curl, checked by `sha256sum`.

use crate::install::quoting::shell;
use crate::install::{InstallLine, InstallTarget};

#[expect(clippy::unnecessary_wraps, reason = "the makers have one signature")]
pub(super) fn line(target: &InstallTarget) -> Option<InstallLine> {
    let (name, url) = (shell(target.file_name.as_str()), shell(&target.url));
    // In double quotes, so that the shell fills in the variable.
    let token = if target.needs_token {
        "-H \"Authorization: Bearer $EXTENSION_REGISTRY_TOKEN\" "
    } else {
        ""
    };
    let download = format!("curl -fsSLo {name} {token}{url}");
    let text = match &target.digest {
        Some(digest) => {
            let sum = shell(&format!("{}  {}", digest.hex(), target.file_name.as_str()));
            format!("{download} &&\necho {sum} | sha256sum -c")
        }
        None => download,
    };
    Some(InstallLine { kind: "curl", label: "curl", text })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::process::Command;
    use std::thread;

    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::install::FileName;

    /// Serves one body to the next caller, and returns its URL.
    fn serving(body: &'static [u8]) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/a%20b", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).unwrap();
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).unwrap();
            stream.write_all(body).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        (url, server)
    }

    fn run(served: &'static [u8], promised: &[u8]) -> (bool, String) {
        let (url, server) = serving(served);
        let hex: String = Sha256::digest(promised).iter().map(|b| format!("{b:02x}")).collect();
        let target = InstallTarget {
            url,
            digest: Some(hex.parse().unwrap()),
            file_name: FileName::near("it's a-1.0.tar.gz"),
            needs_token: true,
            ..InstallTarget::for_tests()
        };
        let dir = tempfile::tempdir().unwrap();
        let output = Command::new("sh")
            .args(["-c", &line(&target).unwrap().text])
            .env("EXTENSION_REGISTRY_TOKEN", "t0ken")
            .env("NO_PROXY", "*")
            .current_dir(&dir)
            .output()
            .unwrap();
        let request = server.join().unwrap();
        assert!(request.contains("Bearer t0ken"), "{request}");
        let saved = std::fs::read(dir.path().join("it_s_a-1.0.tar.gz")).unwrap();
        assert_eq!(saved, served);
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    #[test]
    fn the_copied_line_downloads_and_checks_the_archive() {
        assert_eq!(run(b"archive", b"archive"), (true, "it_s_a-1.0.tar.gz: OK\n".to_owned()));
    }

    #[test]
    fn the_copied_line_fails_on_other_bytes() {
        assert_eq!(run(b"tampered", b"archive"), (false, "it_s_a-1.0.tar.gz: FAILED\n".to_owned()));
    }
}
