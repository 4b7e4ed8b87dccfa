//! Forms of the output.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Command, Error, ValueEnum};

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputForm {
    /// Columns for people
    Table,
    /// One array of objects
    Json,
    /// One object per line
    Jsonl,
    /// A table of Nushell, with sizes and dates
    Nuon,
    /// type/name@version, one per line
    Name,
}

impl OutputForm {
    /// Returns true for a form that programs parse.
    #[must_use]
    pub const fn is_for_machines(self) -> bool {
        matches!(self, Self::Json | Self::Jsonl | Self::Nuon)
    }
}

/// Value of `-o`: a form, or the file that `pack` writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputChoice {
    /// A form.
    Form(OutputForm),
    /// Anything else.
    File(PathBuf),
}

/// Parser of [`OutputChoice`]. Completions offer the forms.
#[derive(Clone, Debug)]
pub struct OutputChoiceParser;

impl TypedValueParser for OutputChoiceParser {
    type Value = OutputChoice;

    fn parse_ref(
        &self,
        _: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<OutputChoice, Error> {
        if value.is_empty() {
            return Err(Error::raw(ErrorKind::InvalidValue, "-o is empty\n"));
        }
        let form = value.to_str().and_then(|word| OutputForm::from_str(word, false).ok());
        Ok(form.map_or_else(|| OutputChoice::File(value.into()), OutputChoice::Form))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let forms = OutputForm::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        Some(Box::new(forms))
    }
}
