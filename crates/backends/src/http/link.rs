//! `Link` headers (RFC 8288).

/// Returns the target of the first link with the relation `next` in a header (RFC 8288).
pub(crate) fn next(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, from)) = rest.split_once('<') {
        let (target, after) = from.split_once('>')?;
        let parameters = after.split_once('<').map_or(after, |(parameters, _)| parameters);
        if parameters.split([';', ',']).any(is_next) {
            return Some(target.trim());
        }
        rest = after;
    }
    None
}

fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return false;
    };
    name.trim().eq_ignore_ascii_case("rel")
        && value
            .trim()
            .trim_matches('"')
            .split_ascii_whitespace()
            .any(|relation| relation.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_page_is_known_by_its_relation() {
        for (link, next_page) in [
            (
                r#"<http://h/?page=2>; rel="next",<http://h/?page=3>; rel="last""#,
                Some("http://h/?page=2"),
            ),
            (r#"<http://h/?page=1>; rel="first",<http://h/?page=1>; rel="prev""#, None),
            ("<http://h/?a=1,2>; rel=next", Some("http://h/?a=1,2")),
            (r#"<http://h/?rel="next">; rel="prev""#, None),
            (r#"< /a >; REL = "last Next""#, Some("/a")),
            ("</a; rel=next", None),
            ("", None),
        ] {
            assert_eq!(next(link), next_page, "{link}");
        }
    }
}
