//! Converts Markdown to a safe page: no scripts, styles, forms or frames; `nofollow` web links.

mod tags;
mod work;

use std::borrow::Cow;
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

use crate::answers::markdown::work::Work;

// Deeper nesting loses its markup: the rendering time of browsers is quadratic in the depth.
const DEPTH_MAX: usize = 50;
// Maximum number of tags in all raw HTML of a page; later HTML is dropped.
const TAGS_MAX: usize = 2_000;
const HEAD: &str = "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>README</title>\n";
const CUT: &str = "<p><em>The rest of this README is more than is shown as a page. Ask for text/markdown \
                   to get all of it.</em></p>\n";

/// Scheme before the relative addresses of a fragment.
pub const RELATIVE: &str = "relative:";

// Relative links point at files of the repository, which are not served at the address of a page.
static PAGE_CLEANER: LazyLock<Builder<'static>> =
    LazyLock::new(|| cleaner(&["http", "https", "mailto"], UrlRelative::Deny));

static FRAGMENT_CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    cleaner(&["http", "https", "mailto", "relative"], UrlRelative::Custom(Box::new(marked)))
});

#[expect(clippy::unnecessary_wraps, reason = "the sanitizer drops an address for `None`")]
fn marked(address: &str) -> Option<Cow<'_, str>> {
    Some(Cow::Owned(format!("{RELATIVE}{address}")))
}

fn cleaner(schemes: &[&'static str], relative: UrlRelative<'static>) -> Builder<'static> {
    let mut cleaner = Builder::default();
    cleaner
        .url_schemes(schemes.iter().copied().collect())
        .url_relative(relative)
        .link_rel(Some("nofollow noopener noreferrer"));
    cleaner
}

/// Renders Markdown as a page (CommonMark, tables, strike-through, task lists), cut at the limits.
#[must_use]
pub fn page_of(markdown: &str) -> String {
    rendered(HEAD, markdown, &PAGE_CLEANER)
}

/// Renders Markdown like [`page_of`], to stand inside of another page. [`RELATIVE`] stands before
/// relative addresses.
#[must_use]
pub fn fragment_of(markdown: &str) -> String {
    rendered("", markdown, &FRAGMENT_CLEANER)
}

fn rendered(head: &str, markdown: &str, cleaner: &'static Builder<'static>) -> String {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let work = Some(Work::new());
    let mut shaper = Shaper { cleaner, depth: 0, tags_left: TAGS_MAX, block: None, work };
    let events = Parser::new_ext(markdown, options);
    let events = events.map_while(|event| shaper.within(event)).flatten();
    let mut body = String::new();
    html::push_html(&mut body, events);
    // Cleaned again as a whole, which also checks links and attributes made by the renderer.
    let body = cleaner.clean(&body);
    let cut = if shaper.work.is_none() { CUT } else { "" };
    format!("{head}{body}{cut}")
}

/// Limits the work for a page. Raw HTML is cleaned in pieces, so that tags left open in one piece
/// are closed before the next: browsers and cleaners reopen them in every following paragraph.
struct Shaper {
    cleaner: &'static Builder<'static>,
    depth: usize,
    tags_left: usize,
    block: Option<String>,
    work: Option<Work>,
}

impl Shaper {
    #[expect(
        clippy::option_option,
        reason = "the outer one ends the text, the inner one drops an event"
    )]
    fn within<'a>(&mut self, event: Event<'a>) -> Option<Option<Event<'a>>> {
        if self.work.as_mut()?.take(&event).is_none() {
            self.work = None;
            return None;
        }
        Some(self.shaped(event))
    }

    fn shaped<'a>(&mut self, event: Event<'a>) -> Option<Event<'a>> {
        match event {
            Event::Start(Tag::HtmlBlock) => {
                self.block = Some(String::new());
                None
            }
            Event::End(TagEnd::HtmlBlock) => {
                let block = self.block.take()?;
                self.cleaned(&block).map(Event::Html)
            }
            Event::Html(line) => {
                // The parser reports a block line by line, and a tag may span lines.
                self.block.get_or_insert_default().push_str(&line);
                None
            }
            Event::InlineHtml(tag) => self.cleaned(&tag).map(Event::InlineHtml),
            Event::Start(_) => {
                self.depth += 1;
                (self.depth <= DEPTH_MAX).then_some(event)
            }
            Event::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                (self.depth < DEPTH_MAX).then_some(event)
            }
            other => Some(other),
        }
    }

    fn cleaned(&mut self, raw: &str) -> Option<CowStr<'static>> {
        let tags = tags::count(raw)?;
        self.tags_left = self.tags_left.checked_sub(tags)?;
        self.work.as_mut()?.raw(raw)?;
        Some(self.cleaner.clean(raw).to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_harmful_passes() {
        for hostile in [
            "<script>alert(1)</script>",
            "<svg onload=alert(1)><circle/></svg>",
            "<math><mi xlink:href=\"javascript:alert(1)\">x</mi></math>",
            "<style>* { color: red }</style>",
            "<p style=\"background: url(https://a.b/alert(1))\" onclick=\"alert(1)\">x</p>",
            "[x](javascript:alert(1))",
            "[x](data:text/html;base64,alert)",
            "<img src=x onerror=alert(1)>",
            "<iframe src=\"https://a.b/alert\"></iframe>",
            "<form action=\"https://a.b/alert\"><input></form>",
            "<base href=\"https://a.b/alert\">",
            "<meta http-equiv=refresh content=\"0;url=https://a.b/alert\">",
            "[x](../../alert)",
        ] {
            let page = page_of(hostile);
            let (_, body) = page.split_once("</title>").unwrap();
            for word in
                ["alert", "<svg", "<math", "<style", "style=", " on", "<meta", "<base", "<form"]
            {
                assert!(!body.contains(word), "{hostile}: {body}");
            }
        }
    }

    #[test]
    fn relative_addresses_of_a_fragment_are_marked_and_nothing_else_passes() {
        for (markdown, html) in [
            ("[a](b/c.md)", "<a href=\"relative:b/c.md\""),
            ("[a](../b?c&d#e)", "<a href=\"relative:../b?c&amp;d#e\""),
            ("![a](b.png)", "<img src=\"relative:b.png\" alt=\"a\">"),
            ("<img src=\"b.png\">", "<img src=\"relative:b.png\">"),
            ("[a](//evil.example/b)", "<a href=\"relative://evil.example/b\""),
            ("[a](javascript:b)", "<a rel="),
            ("[a](https://b.example/c)", "<a href=\"https://b.example/c\""),
        ] {
            let fragment = fragment_of(markdown);
            assert!(fragment.contains(html), "{markdown}: {fragment}");
            assert!(!page_of(markdown).contains(RELATIVE), "{markdown}");
        }
    }

    #[test]
    fn what_readmes_are_made_of_is_shown() {
        let page =
            page_of("| a |\n|---|\n| ~~b~~ |\n\n- [x] c\n\n![d](https://e.f/g.png)\n\n    h < i\n");
        for part in ["<table>", "<del>b</del>", "<img src=\"https://e.f/g.png\"", "h &lt; i"] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }

    #[test]
    fn raw_html_is_shown_clean_and_closed() {
        let page = page_of("<p align=\"center\"><img src=\"https://a.b/c.png\"></p>\n\n<b>x\n\ny");
        assert!(page.contains("<img src=\"https://a.b/c.png\">"), "{page}");
        assert!(page.ends_with("<p><b></b>x</p>\n<p>y</p>\n"), "{page}");
    }

    #[test]
    fn what_lies_deep_or_comes_in_masses_is_left_out() {
        for (hostile, length_max) in [
            ("> ".repeat(100_000), 2_000),
            ("<div>".repeat(40_000), 100),
            ("x <b>".repeat(40_000), 250_000),
            ("<div>\n\n".repeat(40_000), 50_000),
            (format!("{}{}", "<b x=1>y".repeat(150), "\n\nz".repeat(60_000)), 700_000),
            ("[".repeat(100_000), 110_000),
            ("*a **b ".repeat(20_000), 200_000),
        ] {
            let page = page_of(&hostile);
            let begins: String = hostile.chars().take(20).collect();
            assert!(page.len() < length_max, "{begins}: {}", page.len());
        }
    }

    #[test]
    fn s03_raw_tags_of_many_attributes_or_much_length_are_left_out() {
        let many = |count: usize| (0..count).map(|n| format!(" a{n:x}")).collect::<String>();
        for (raw, shown) in [
            (format!("<p{}>shown</p>", many(40)), true),
            (format!("<p{}>gone</p>", many(60)), false),
            (format!("</p{}>gone", many(60)), false),
            (format!("x <b{}>y</b>", many(60)), false),
            (format!("<p\n{}>gone</p>", many(60).replace(' ', "/")), false),
            (format!("<p title='>'{}>gone</p>", many(60)), false),
            (format!("<p title=\"'>\"{}>gone</p>", many(60)), false),
            (format!("<p x=a\"b y='>'{}>gone</p>", many(60)), false),
            (format!("<!-- ' --><p{}>gone</p>", many(60)), false),
            (format!("<!-- <p x=\" --><p{}>gone</p>", many(60)), false),
            (format!("<script><p x=\"</script><p{}>gone</p>", many(60)), false),
            (format!("<p{}", many(60)), false),
            (format!("<p title=\"{}\">gone</p>", "x".repeat(2_000)), true),
            (format!("<p title=\"{}\">gone</p>", "x".repeat(9_000)), false),
        ] {
            let page = page_of(&raw);
            let raw: String = raw.chars().take(60).collect();
            assert_eq!(page.contains("<p title") || page.contains("shown"), shown, "{raw}: {page}");
            assert!(!page.contains("gone") || shown, "{raw}: {page}");
        }
    }

    fn mebibyte(of: &str) -> String {
        of.repeat((1 << 20) / of.len())
    }

    #[test]
    fn s03b_a_page_ends_where_it_costs_too_much_and_says_so() {
        let address = "x".repeat(1 << 19);
        for hostile in [
            mebibyte("&"),
            mebibyte("\u{a0}"),
            mebibyte("&amp;"),
            mebibyte("<"),
            mebibyte("*a* "),
            mebibyte("- - - - a\n"),
            mebibyte("a\n\n"),
            mebibyte("`a` "),
            mebibyte("[](b)"),
            mebibyte("    &&&\n"),
            format!("```\n{}", mebibyte("&&&&&&&&&\n")),
            format!("[a](b \"{}\")", mebibyte("&")),
            format!("[a](http://a.b/{})", mebibyte("&")),
            format!("![{}](http://a.b/)", mebibyte("&*a*")),
            format!("[a]: /{address}\n\n{}", "[a]".repeat(100_000)),
            format!("{}\n{}\n{}", "|a".repeat(1_000), "|-".repeat(1_000), "|b\n".repeat(300_000)),
        ] {
            let page = page_of(&hostile);
            let begins: String = hostile.chars().take(20).collect();
            assert!(page.ends_with(CUT), "{begins}: {} bytes", page.len());
            assert!(page.len() < 12 << 20, "{begins}: {} bytes", page.len());
        }
        let raw = format!("<p>{}</p>\n\nafter", mebibyte("&"));
        let page = page_of(&raw);
        assert!(page.len() < 1_000 && page.contains("<p>after</p>"), "{}", page.len());
    }

    #[test]
    fn s03c_long_readmes_of_people_are_shown_whole() {
        let prose =
            "Configure `replicas` in *cluster.toml* & restart, see [the guide](https://a.b/c).\n";
        let table = "| `name` | text | \"x\" | The name <of> it & more, at most 64 characters. |\n";
        for honest in [
            format!("{}\n", prose.repeat(10)).repeat(800),
            format!("| a | b | c | d |\n|---|---|---|---|\n{}", table.repeat(5_000)),
            format!("```toml\n{}```\n", "key = \"value\" # a & b, 20 °C\n".repeat(5_000)),
            "<p align=\"center\"><img src=\"https://a.b/c.png\" alt=\"x\"></p>\n\n".repeat(300),
        ] {
            let page = page_of(&format!("{honest}\nThe end."));
            assert!(!page.ends_with(CUT) && page.contains("The end."), "{}", &honest[..60]);
        }
    }
}
