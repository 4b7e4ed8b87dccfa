//! Pages for command-line clients.

#[allow(dead_code, reason = "each test uses a part of the samples")]
mod sample;

#[test]
fn home_has_commands_with_the_address_of_this_service() {
    let text = sample::plain_texts().swap_remove(0).1;
    let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(commands.len(), 5);
    assert!(commands.iter().all(|line| line.contains("'https://registry.example.com/")), "{text}");
}

#[test]
fn status_starts_with_the_sentence() {
    let text = sample::plain_texts().swap_remove(1).1;
    let sentence = "degraded: oci has been unreachable for 14 min, since 16:04 UTC. Everything in the \
                    catalog is still served.\n";
    assert!(text.starts_with(sentence), "{text}");
    assert!(text.contains("open, tries again in 8 s"), "{text}");
}

#[test]
fn terminals_get_no_control_characters() {
    for (name, text) in sample::plain_texts() {
        let control = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "{name}");
        assert!(!text.contains('\u{202e}'), "{name}");
    }
}
