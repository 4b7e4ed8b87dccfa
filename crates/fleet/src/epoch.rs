//! Epochs and positions: the order of what writers publish.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// The time for which one replica is the writer of a topic. A later writer has a higher number. The
/// nonce tells two writers apart whose number is the same because the engine lost its counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// One more than any number that the engine or the replica has seen.
    pub number: u64,
    /// Random.
    pub nonce: u16,
}

/// The place of an entry among those of its topic. Epochs come before sequences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// Epoch of the writer.
    pub epoch: Epoch,
    /// Number of the entry in its epoch; 0 for the snapshot with which an epoch begins.
    pub sequence: u64,
}

/// A text outside the grammar of [`LogPosition`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be number.nonce or number.nonce.sequence")]
pub struct InvalidPosition;

impl LogPosition {
    /// The position before every entry.
    pub const START: Self = Self { epoch: Epoch { number: 0, nonce: 0 }, sequence: 0 };

    /// The first position of an epoch.
    #[must_use]
    pub const fn first_of(epoch: Epoch) -> Self {
        Self { epoch, sequence: 0 }
    }

    /// The position after this one in its epoch.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { epoch: self.epoch, sequence: self.sequence + 1 }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:04x}", self.number, self.nonce)
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.sequence)
    }
}

impl FromStr for Epoch {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (number, nonce) = text.split_once('.').ok_or(InvalidPosition)?;
        let nonce = u16::from_str_radix(nonce, 16)?;
        Ok(Self { number: number.parse()?, nonce })
    }
}

impl FromStr for LogPosition {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (epoch, sequence) = text.rsplit_once('.').ok_or(InvalidPosition)?;
        Ok(Self { epoch: epoch.parse()?, sequence: sequence.parse()? })
    }
}

impl From<ParseIntError> for InvalidPosition {
    fn from(_: ParseIntError) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_order_by_number_then_nonce_then_sequence() {
        let texts = ["0.0000.0", "1.0000.7", "1.00ff.1", "2.0000.0", "2.0000.1", "10.0000.0"];
        let positions = texts.map(|text| text.parse::<LogPosition>().unwrap());
        assert!(positions.is_sorted());
        assert_eq!(positions.map(|position| position.to_string()), texts);
        assert_eq!(positions[0], LogPosition::START);
        assert_eq!(positions[3].next(), positions[4]);
        for wrong in ["", "1", "1.0", "1.2.x", "1.fffff.2", "-1.0.0", "1.0.0.0", " 1.0.0"] {
            assert_eq!(wrong.parse::<LogPosition>(), Err(InvalidPosition), "{wrong:?}");
        }
    }
}
