//! Pax headers: records `length key=value\n` that replace fields of the next tar header.

/// Fields of a pax header that matter here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pax {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) is_sparse: bool,
}

impl Pax {
    /// Parses the content of a pax header. Fails with the reason. Values may have newlines, so that
    /// only the lengths separate records. A field that occurs twice is refused, because programs
    /// disagree on the record that counts.
    pub(crate) fn parse(mut content: &[u8]) -> Result<Self, &'static str> {
        let (mut pax, mut sparse_path) = (Self::default(), None);
        while !content.is_empty() {
            let (key, value, rest) = split_record(content).ok_or("a pax record is not readable")?;
            content = rest;
            match key {
                b"path" => set(&mut pax.path, name(value)?)?,
                b"linkpath" => set(&mut pax.link, name(value)?)?,
                b"size" => set(&mut pax.size, size(value)?)?,
                b"GNU.sparse.name" => set(&mut sparse_path, name(value)?)?,
                _ => {}
            }
            pax.is_sparse |= key.starts_with(b"GNU.sparse.");
        }
        // The path of a sparse file is a placeholder for programs that do not know its format.
        if sparse_path.is_some() {
            pax.path = sparse_path;
        }
        Ok(pax)
    }
}

fn split_record(content: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = content.iter().position(|byte| *byte == b' ')?;
    let length: usize = str::from_utf8(content.get(..space)?).ok()?.parse().ok()?;
    let (record, rest) = content.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((record.get(..equals)?, record.get(equals + 1..)?, rest))
}

fn set<T>(field: &mut Option<T>, value: Option<T>) -> Result<(), &'static str> {
    if field.is_some() {
        return Err("a pax header has a field twice");
    }
    *field = value;
    Ok(())
}

/// Empty values remove a field.
fn name(value: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    if value.contains(&0) {
        return Err("a pax header has a name with a zero byte");
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

fn size(value: &[u8]) -> Result<Option<u64>, &'static str> {
    if value.is_empty() {
        return Ok(None);
    }
    let size = str::from_utf8(value).ok().and_then(|value| value.parse().ok());
    size.map(Some).ok_or("a pax header has a size that is not a number")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::pax_record;

    #[test]
    fn fields_are_read_even_with_newlines_in_values() {
        let content = [
            pax_record("SCHILY.xattr.user.x", b"a\n11 path=bad\n"),
            pax_record("path", b"a\nb"),
            pax_record("size", b"12"),
            pax_record("linkpath", b""),
        ];
        let pax = Pax::parse(&content.concat()).unwrap();
        let expected =
            Pax { path: Some(b"a\nb".to_vec()), link: None, size: Some(12), is_sparse: false };
        assert_eq!(pax, expected);
    }

    #[test]
    fn sparse_files_have_their_real_path() {
        let content =
            [pax_record("GNU.sparse.name", b"real"), pax_record("path", b"GNUSparseFile.0/real")];
        let pax = Pax::parse(&content.concat()).unwrap();
        assert_eq!((pax.path.as_deref(), pax.is_sparse), (Some(&b"real"[..]), true));
    }

    #[test]
    fn ambiguous_and_unreadable_headers_are_refused() {
        let path = pax_record("path", b"a");
        for content in [
            &[path.clone(), path.clone()].concat()[..],
            &pax_record("path", b"a\0b"),
            &pax_record("size", b"-1"),
            b"6 a=b\nx",
            b"99 a=b\n",
            b"0 a=b\n",
            b"3 \n",
            b"path=a\n",
            &path[..path.len() - 1],
        ] {
            assert!(Pax::parse(content).is_err(), "{}", content.escape_ascii());
        }
    }
}
