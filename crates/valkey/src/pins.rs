//! The ledger of pins in an engine: a hash for each extension.

use async_trait::async_trait;
use registry_core::models::digest::Digest;
use registry_fleet::failure::{Away, AwayReason};
use registry_fleet::metrics::EngineOperation;
use registry_fleet::pins::{PinKey, PinLedger, SharedPin};

use crate::link::EngineLink;
use crate::script::PIN;

/// Forged values that one call replaces before it fails.
const REPLACED_MAX: usize = 3;

/// The pins of a fleet. Each is signed, together with the key it is stored under.
pub struct EnginePins(EngineLink);

impl EnginePins {
    /// Uses a link.
    #[must_use]
    pub const fn new(link: EngineLink) -> Self {
        Self(link)
    }

    /// Reads and writes under a key that no replica uses.
    pub(crate) async fn trial(&self) -> Result<(), Away> {
        let mut script = PIN.prepare_invoke();
        // An empty value counts as none, so each trial writes.
        script.key(self.0.key("doctor-pins")).arg("doctor").arg("").arg("");
        self.0.call::<Vec<u8>>(EngineOperation::Pin, &script).await.map(drop)
    }

    /// Returns the words of a pin with their signature.
    fn value(&self, place: &str, pin: &SharedPin) -> String {
        let word = if pin.confirmed { "c" } else { "p" };
        let words = format!("{word} {} {}", pin.size, pin.digest);
        let signature = self.0.sign(place, words.as_bytes());
        format!("{words} {signature}")
    }

    fn authentic(&self, place: &str, value: &[u8]) -> Option<SharedPin> {
        let (words, signature) = std::str::from_utf8(value).ok()?.rsplit_once(' ')?;
        if !self.0.verify(place, words.as_bytes(), signature) {
            return None;
        }
        let [word, size, digest] = words.splitn(3, ' ').collect::<Vec<_>>().try_into().ok()?;
        let digest: Digest = digest.parse().ok()?;
        Some(SharedPin { digest, size: size.parse().ok()?, confirmed: word == "c" })
    }
}

#[async_trait]
impl PinLedger for EnginePins {
    async fn pin(&self, key: &PinKey, offer: &SharedPin) -> Result<SharedPin, Away> {
        let PinKey { backend, extension, version, file_name } = key;
        let hash = self.0.key(&format!("pins:{}:{extension}", backend.qualified()));
        // The length separates version and file name: both may have any character.
        let file = format!("{} {version} {file_name}", version.len());
        // Not an HMAC: the field has to stay the same while the secret is replaced.
        let field = Digest::sha256(file.as_bytes()).to_string();
        let place = format!("{hash} {field}");
        let mut forged = Vec::new();
        for _ in 0..REPLACED_MAX {
            let mut script = PIN.prepare_invoke();
            script.key(&hash).arg(&field).arg(self.value(&place, offer)).arg(&forged);
            let standing: Vec<u8> = self.0.call(EngineOperation::Pin, &script).await?;
            if let Some(pin) = self.authentic(&place, &standing) {
                return Ok(pin);
            }
            forged = standing;
        }
        let what = "the server's pin is not authentic, and comes back when it is replaced";
        Err(Away::new(AwayReason::Refused, what))
    }
}
