//! Secrets of a fleet: they sign what the replicas store, and hide clients in names of keys.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// Minimum length of a secret, in bytes.
pub const SECRET_MIN: usize = 32;
/// Length of a signature, in hexadecimal digits: 128 bits.
pub(crate) const SIGNATURE_DIGITS: usize = 32;

/// One or two secrets. The first one signs, each one verifies, so that a secret can be replaced
/// while replicas run.
#[derive(Clone)]
pub struct FleetSecrets {
    signing: Hmac<Sha256>,
    previous: Option<Hmac<Sha256>>,
}

/// Why a text holds no secrets. The text is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecrets {
    /// There is no line, or there are more than two.
    #[error("must hold one or two lines, a secret each, not {0}")]
    Lines(usize),
    /// A secret is too short.
    #[error("line {0} must have 32 bytes or more, such as those of: openssl rand -hex 32")]
    Short(usize),
    /// Both lines are the same.
    #[error("both lines are the same; the second one is the previous secret")]
    Same,
}

impl FleetSecrets {
    /// Parses the content of a file: a secret on each line. Empty lines do not count.
    pub fn parse(text: &SecretString) -> Result<Self, InvalidSecrets> {
        let text = text.expose_secret();
        // Editors on Windows write a byte order mark.
        let lines = text.strip_prefix('\u{feff}').unwrap_or(text).lines().map(str::trim);
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        let (first, second) = match *lines {
            [first] => (first, None),
            [first, second] => (first, Some(second)),
            _ => return Err(InvalidSecrets::Lines(lines.len())),
        };
        if second == Some(first) {
            return Err(InvalidSecrets::Same);
        }
        let signing = mac_of(first).ok_or(InvalidSecrets::Short(1))?;
        let previous = second.map(|second| mac_of(second).ok_or(InvalidSecrets::Short(2)));
        Ok(Self { signing, previous: previous.transpose()? })
    }

    /// Returns the signature of a value under a key, which is part of what is signed: a value cannot
    /// be moved to another key.
    pub(crate) fn sign(&self, key: &str, value: &[u8]) -> String {
        signature(&self.signing, key, value)
    }

    /// Returns true if one of the secrets signed a value under this key. Takes the same time for
    /// every wrong signature.
    pub(crate) fn verify(&self, key: &str, value: &[u8], offered: &str) -> bool {
        let mut secrets = std::iter::once(&self.signing).chain(&self.previous);
        secrets
            .any(|secret| signature(secret, key, value).as_bytes().ct_eq(offered.as_bytes()).into())
    }
}

fn mac_of(secret: &str) -> Option<Hmac<Sha256>> {
    Hmac::new_from_slice(secret.as_bytes()).ok().filter(|_| secret.len() >= SECRET_MIN)
}

fn signature(secret: &Hmac<Sha256>, key: &str, value: &[u8]) -> String {
    let mut mac = secret.clone();
    // The length separates key and value: no other pair has the same bytes.
    mac.update(&(key.len() as u64).to_be_bytes());
    mac.update(key.as_bytes());
    mac.update(value);
    let digits = mac.finalize().into_bytes().into_iter().map(|byte| format!("{byte:02x}"));
    digits.take(SIGNATURE_DIGITS / 2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(lines: &[&str]) -> Result<FleetSecrets, InvalidSecrets> {
        FleetSecrets::parse(&lines.join("\n").into())
    }

    #[test]
    fn a_value_is_valid_under_its_key_and_its_secret_alone() {
        let (old, new) = ("o".repeat(32), "n".repeat(32));
        let before = secrets(&[&old]).unwrap();
        let (rotating, after) = (secrets(&[&new, &old]).unwrap(), secrets(&[&new]).unwrap());
        let signed = before.sign("key", b"value");
        assert_eq!(signed.len(), SIGNATURE_DIGITS);
        assert!(before.verify("key", b"value", &signed));
        assert!(rotating.verify("key", b"value", &signed), "the previous secret still verifies");
        assert!(!after.verify("key", b"value", &signed));
        assert!(after.verify("key", b"value", &rotating.sign("key", b"value")));
        assert!(!before.verify("key", b"value", &rotating.sign("key", b"value")));
        for (key, value) in
            [("key", &b"valu"[..]), ("ke", b"value"), ("keyv", b"alue"), ("", b"keyvalue")]
        {
            assert!(!before.verify(key, value, &signed), "{key}");
        }
        let cut = &signed[..SIGNATURE_DIGITS - 1];
        for forged in ["", cut, &format!("{signed}0"), &signed.to_uppercase(), &"0".repeat(32)] {
            assert!(!before.verify("key", b"value", forged), "{forged}");
        }
    }

    #[test]
    fn files_with_short_missing_or_too_many_secrets_are_refused() {
        let [one, two, three] = ["1", "2", "3"].map(|digit| digit.repeat(32));
        let short = "s".repeat(31);
        for good in [&[&*one][..], &[&one, ""], &["", &one, "", &two, ""], &["\u{feff}", &one]] {
            assert!(secrets(good).is_ok());
        }
        assert!(FleetSecrets::parse(&format!("{one}\r\n{two}\r\n").into()).is_ok());
        for (wrong, error) in [
            (&[""][..], InvalidSecrets::Lines(0)),
            (&[" ", "\t"], InvalidSecrets::Lines(0)),
            (&[&one, &two, &three], InvalidSecrets::Lines(3)),
            (&[&short], InvalidSecrets::Short(1)),
            (&[&one, &short], InvalidSecrets::Short(2)),
            (&[&one, &one], InvalidSecrets::Same),
        ] {
            assert_eq!(secrets(wrong).err(), Some(error));
            assert!(!error.to_string().contains("sss"), "{error}");
        }
    }
}
