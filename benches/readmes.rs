//! What the dearest READMEs of a mebibyte cost as pages, in seconds of a processor.
//!
//! Prints each, the dearest first; a README that costs more than [`SECONDS_MAX`] fails.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and its output is its result"
)]

use registry_server::answers::markdown::page_of;
use rustix::time::{ClockId, clock_gettime};

/// What any README of a mebibyte may take.
const SECONDS_MAX: f64 = 0.5;
const MEBIBYTE: usize = 1 << 20;
const SHOWN: usize = 15;

/// What is repeated until it is a mebibyte.
const UNITS: [&str; 60] = [
    "> ",
    "- ",
    "* a\n",
    "a\n\n",
    "*a* ",
    "*a **b ",
    "**",
    "*_",
    "[",
    "[a](",
    "[a](b) ",
    "![",
    "![[](",
    "`",
    "` ``",
    "`a` ",
    "``` \n",
    "<",
    "<!--",
    "<?",
    "<![CDATA[",
    "&",
    "&amp;",
    "<a:b> ",
    "<b>x</b>",
    "<p>\n\n",
    "</p>\n\n",
    "<table>\n\n",
    "|a",
    "a|b\n",
    "\\",
    "# a\n",
    "a\n=\n",
    "---\n",
    "1. a\n",
    "    a\n",
    "~~a~~",
    "- [ ] a\n",
    "[a]: b\n",
    "[a]\n\n",
    "[a][b]",
    "a**b",
    "***a*",
    "<img src=x>",
    "<p a='",
    "\0",
    "\u{a0}",
    "\u{b0} ",
    "- a\n  - b\n    - c\n",
    "*a*_b_`c`[d](e)",
    "x<y>z ",
    "[x]: <",
    "[x](<",
    "<a b=c d='e' f>",
    "- - - - a\n",
    "| a | b |\n|---|---|\n",
    "<b><i><u><s>\n\n",
    "[![a](b)](c)\n",
    "[]()",
    "    &&&\n",
];

fn main() {
    let mut costs: Vec<(f64, String)> = shapes().into_iter().map(cost).collect();
    costs.sort_by(|one, other| other.0.total_cmp(&one.0));
    for (seconds, name) in costs.iter().take(SHOWN) {
        println!("{seconds:6.3} s  {name}");
    }
    let (dearest, name) = costs.first().unwrap();
    println!("{} READMEs, the dearest {dearest:.3} s, at most {SECONDS_MAX} s", costs.len());
    assert!(*dearest <= SECONDS_MAX, "{name} takes {dearest:.3} s");
}

fn cost((name, text): (String, String)) -> (f64, String) {
    let begun = processor_seconds();
    let page = page_of(&text);
    let seconds = processor_seconds() - begun;
    (seconds, format!("{} -> {} bytes  {name}", text.len(), page.len()))
}

fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn mebibyte(of: &str) -> String {
    of.repeat(MEBIBYTE / of.len())
}

fn shapes() -> Vec<(String, String)> {
    let attributes: String = (0..216_841).map(|number| format!(" {number:x}")).collect();
    let address = "x".repeat(MEBIBYTE / 2);
    let columns = |count: usize| format!("{}\n{}\n", "|a".repeat(count), "|-".repeat(count));
    let named = [
        ("one tag of many attributes", format!("<p{attributes}>")),
        ("one that does not end", format!("<p{attributes}")),
        ("one among words", format!("x <b{attributes}> y")),
        ("many of fifty", format!("<p{}>\n\n", " a".repeat(50)).repeat(7_000)),
        ("blocks of two hundred tags", format!("{}\n\n", "<p x>".repeat(199)).repeat(1_000)),
        ("open tags, then words", "<div>".repeat(199) + "\n\n" + &"a\n\n".repeat(300_000)),
        ("a long address, used often", format!("[a]: /{address}\n\n{}", "[a]".repeat(150_000))),
        ("a wide table", columns(1_000) + &"|b\n".repeat(300_000)),
        ("a wider table", columns(100_000) + &"|b\n".repeat(200_000)),
        ("quotes in fifty quotes", format!("{}a\n", "> ".repeat(50)).repeat(10_000)),
        ("lists in fifty lists", format!("{}a\n", "- ".repeat(50)).repeat(10_000)),
        ("emphasis in itself", "*a ".repeat(170_000) + &"b*".repeat(170_000)),
        ("links in themselves", "[".repeat(300_000) + &"](b)".repeat(180_000)),
        ("backticks of all lengths", (1..1_400).map(|n| "`".repeat(n) + " ").collect()),
        ("ampersands in code", format!("```\n{}", mebibyte("&&&\n"))),
        ("ampersands in a title", format!("[a](b \"{}\")", mebibyte("&"))),
        ("ampersands in raw HTML", format!("<p>{}</p>", mebibyte("&"))),
    ];
    let named = named.map(|(name, text)| (name.to_owned(), text));
    UNITS.map(|unit| (format!("{unit:?}"), mebibyte(unit))).into_iter().chain(named).collect()
}
