//! Content codings: negotiation (RFC 9110, §12.5.3) and encoding.

use std::io::{self, Write as _};

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;
use flate2::Compression;
use flate2::write::GzEncoder;

/// A content coding of responses, in order of preference: the best compression first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Brotli.
    Brotli,
    /// Zstandard.
    Zstd,
    /// Gzip.
    Gzip,
}

// A response waits for its first encoding: at these levels 100 kB of JSON take about a millisecond.
const BROTLI_QUALITY: i32 = 4;
const ZSTD_LEVEL: i32 = 3;
const GZIP_LEVEL: Compression = Compression::new(5);

impl Coding {
    /// All codings, in order of preference.
    pub const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// Returns the name used in headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// Returns the preferred coding; `None` for the plain body. On a tie the first coding wins.
    #[must_use]
    pub fn preferred(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(ACCEPT_ENCODING).iter().peekable();
        values.peek()?;
        let mut weights = CodingWeights::default();
        for range in values.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(',')) {
            weights.add(range);
        }
        // Plain bytes win only with a higher weight, since encodings are computed once and kept.
        let mut best = (weights.identity.unwrap_or(0.0).max(f32::MIN_POSITIVE), None);
        for (coding, named) in Self::ALL.into_iter().zip(weights.named) {
            let weight = named.or(weights.any).unwrap_or(0.0);
            if weight > best.0 || (best.1.is_none() && weight >= best.0) {
                best = (weight, Some(coding));
            }
        }
        best.1
    }

    /// Encodes `bytes`. Does not fail in practice: the output goes to memory.
    pub fn encode(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Brotli => brotli_of(bytes),
            Self::Zstd => zstd::bulk::compress(bytes, ZSTD_LEVEL),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), GZIP_LEVEL);
                encoder.write_all(bytes)?;
                encoder.finish()
            }
        }
    }
}

fn brotli_of(mut bytes: &[u8]) -> io::Result<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams {
        quality: BROTLI_QUALITY,
        size_hint: bytes.len(),
        ..Default::default()
    };
    let mut encoded = Vec::new();
    brotli::BrotliCompress(&mut bytes, &mut encoded, &params)?;
    Ok(encoded)
}

/// Weights that a client gives to codings, 0 to 1. Of several for one coding the first counts.
#[derive(Default)]
struct CodingWeights {
    /// In the order of [`Coding::ALL`].
    named: [Option<f32>; Coding::ALL.len()],
    identity: Option<f32>,
    /// Weight of the codings that are not named.
    any: Option<f32>,
}

impl CodingWeights {
    /// Adds a range, such as `gzip` or `br;q=0.5`.
    fn add(&mut self, range: &str) {
        let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
        let weight = parameters.split(';').map(str::trim).find_map(|part| {
            part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="))?.parse::<f32>().ok()
        });
        let name = name.trim();
        let mut named = Coding::ALL.iter().zip(&mut self.named);
        let slot = match name {
            "*" => Some(&mut self.any),
            name if name.eq_ignore_ascii_case("identity") => Some(&mut self.identity),
            name => named
                .find(|(coding, _)| name.eq_ignore_ascii_case(coding.as_str()))
                .map(|(_, slot)| slot),
        };
        if let Some(slot) = slot {
            slot.get_or_insert(weight.unwrap_or(1.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_coding_that_is_wanted_most_is_given() {
        use Coding::{Brotli, Gzip, Zstd};
        for (accepted, expected) in [
            ("", None),
            ("identity", None),
            ("deflate", None),
            ("gzip", Some(Gzip)),
            ("GZIP", Some(Gzip)),
            ("gzip, deflate, br, zstd", Some(Brotli)),
            ("gzip, zstd", Some(Zstd)),
            ("br;q=0.5, gzip;q=0.8", Some(Gzip)),
            ("br;q=0, *", Some(Zstd)),
            ("*;q=0", None),
            ("gzip;q=0", None),
            ("gzip;q=0.5, identity;q=0.9", None),
            ("gzip;q=0.5, identity;q=0.5", Some(Gzip)),
            ("gzip;q=nonsense", Some(Gzip)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, accepted.parse().unwrap());
            assert_eq!(Coding::preferred(&headers), expected, "{accepted}");
        }
        assert_eq!(Coding::preferred(&HeaderMap::new()), None);
    }

    #[test]
    fn bytes_come_back_from_each_coding() {
        let bytes = "an answer, ".repeat(1000).into_bytes();
        for coding in Coding::ALL {
            let encoded = coding.encode(&bytes).unwrap();
            let mut plain = Vec::new();
            match coding {
                Coding::Brotli => {
                    brotli::Decompressor::new(&encoded[..], 4096).read_to_end(&mut plain).unwrap()
                }
                Coding::Zstd => {
                    zstd::Decoder::new(&encoded[..]).unwrap().read_to_end(&mut plain).unwrap()
                }
                Coding::Gzip => {
                    flate2::read::GzDecoder::new(&encoded[..]).read_to_end(&mut plain).unwrap()
                }
            };
            assert_eq!(plain, bytes, "{coding:?}");
        }
    }
}
