//! Tar headers that describe other entries: GNU long names and pax headers.

use crate::error::Result;
use crate::pax::Pax;

/// Headers that replace fields of the next entry.
#[derive(Default)]
pub(crate) struct Pending {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) pax: Option<Pax>,
}

impl Pending {
    pub(crate) const fn is_empty(&self) -> bool {
        self.path.is_none() && self.link.is_none() && self.pax.is_none()
    }

    pub(crate) fn set_path(&mut self, content: Vec<u8>) -> Result<(), &'static str> {
        set_once(&mut self.path, until_zero(content))
    }

    pub(crate) fn set_link(&mut self, content: Vec<u8>) -> Result<(), &'static str> {
        set_once(&mut self.link, until_zero(content))
    }

    pub(crate) fn set_pax(&mut self, content: &[u8]) -> Result<(), &'static str> {
        set_once(&mut self.pax, Pax::parse(content)?)
    }
}

fn set_once<T>(field: &mut Option<T>, value: T) -> Result<(), &'static str> {
    match field.replace(value) {
        // Programs disagree on the one that counts.
        Some(_) => Err("an entry has two headers of one kind before it"),
        None => Ok(()),
    }
}

/// Long names end at their first zero byte.
fn until_zero(mut name: Vec<u8>) -> Vec<u8> {
    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
    name
}

/// Global headers usually hold a comment of Git. Some programs apply other fields, some do not.
pub(crate) fn check_global(content: &[u8]) -> Result<(), &'static str> {
    if Pax::parse(content)? == Pax::default() {
        Ok(())
    } else {
        Err("a global pax header sets the path, the link or the size of all entries")
    }
}
