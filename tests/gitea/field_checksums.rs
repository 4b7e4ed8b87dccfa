//! What publishers write into checksum files.

use registry_core::backend::Backend as _;
use registry_core::models::digest::Digest;
use registry_core::models::extension::Release;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::State;

use super::{backend, id};

const ARCHIVE: &str = "e_prov.tar.gz";

/// A release whose archive holds `good`, and this file beside it, read in full.
async fn read_with(name: &str, sum: &[u8]) -> (FakeGitea, Release) {
    let mut state = State::empty();
    state.create("e_prov", "made for a test");
    state.publish("e_prov", "1.0.0", &[(ARCHIVE, b"good"), (name, sum)]);
    let fake = FakeGitea::start(state).await;
    let tag = "1.0.0".parse().unwrap();
    let release = backend(&fake).version(&id("provider/e"), &tag).await.unwrap();
    (fake, release)
}

fn utf16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes_of).collect()
}

#[tokio::test]
async fn g14_checksums_are_understood_in_their_common_forms() {
    let right = Digest::sha256(b"other bytes");
    let hex = right.hex().to_owned();
    let (upper, line) = (hex.to_uppercase(), format!("{hex}  {ARCHIVE}\n"));
    let mut marked = b"\xef\xbb\xbf".to_vec();
    marked.extend(line.as_bytes());
    for (what, name, sum) in [
        ("BSD", "{}.sha256", format!("SHA256 ({ARCHIVE}) = {hex}\n").into_bytes()),
        ("a mark", "{}.sha256", marked),
        ("a prefix", "{}.sha256", format!("sha256:{hex}").into_bytes()),
        // Of our own.
        ("UTF-16 LE", "{}.sha256", utf16(&line, u16::to_le_bytes)),
        ("UTF-16 BE", "{}.sha256", utf16(&line, u16::to_be_bytes)),
        ("openssl", "{}.sha256", format!("SHA256({ARCHIVE})= {upper}\r\n").into_bytes()),
        ("openssl 3", "{}.sha256", format!("SHA2-256({ARCHIVE})= {hex}\n").into_bytes()),
        ("BSD in a list", "SHA256SUMS", format!("SHA256 (x) = {upper}\nSHA256 (./{ARCHIVE}) = {hex}\n").into_bytes()),
        ("a prefix in a list", "checksums.txt", format!("# sums\nsha256:{hex} *{ARCHIVE}\n").into_bytes()),
        ("PowerShell", "{}.sha256", utf16(&format!("{upper}\r\n"), u16::to_le_bytes)),
        ("a name behind", "{}.sha256sum", format!("{ARCHIVE}: {hex}\n").into_bytes()),
        ("a list by version", "e_prov_1.0.0_checksums.txt", line.clone().into_bytes()),
        ("a list for each algorithm", "e_1.0.0_SHA256SUMS", line.clone().into_bytes()),
        ("escaped", "SHA256SUMS", format!("\\{hex}  {ARCHIVE}\n").into_bytes()),
        ("a signed list", "SHA256SUMS", format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{line}-----BEGIN PGP SIGNATURE-----\niQ\n-----END PGP SIGNATURE-----\n").into_bytes()),
    ] {
        let name = name.replace("{}", ARCHIVE);
        let (_, release) = read_with(&name, &sum).await;
        let file = release.artifact.chosen().unwrap();
        assert_eq!(file.digest.as_ref(), Some(&right), "{what}");
    }
}

#[tokio::test]
async fn g14b_other_algorithms_are_used_where_they_verify() {
    let sha512 = "ab".repeat(64);
    for (name, sum) in [
        ("e_prov.tar.gz.sha512", format!("{sha512}  {ARCHIVE}\n")),
        ("SHA512SUMS", format!("SHA512 ({ARCHIVE}) = {sha512}\n")),
        ("checksums.txt", format!("{sha512}  {ARCHIVE}\n")),
    ] {
        let (_, release) = read_with(name, sum.as_bytes()).await;
        let digest = release.artifact.chosen().unwrap().digest.clone().unwrap();
        assert_eq!(digest.to_string(), format!("sha512:{sha512}"), "{name}");
    }
}
