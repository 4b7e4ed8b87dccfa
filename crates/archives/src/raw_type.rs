//! Content types of raw files.

/// Bytes that decide whether a file is text.
const TEXT_HEAD: usize = 8 * 1024;

/// Headers of a raw file. Sent with `nosniff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawType {
    /// Value of `Content-Type`.
    pub content_type: &'static str,
    /// True if browsers must save the file instead of showing it.
    pub is_attachment: bool,
}

/// Returns the type of a raw file by its first bytes, of which 8 KiB count. Only plain text and
/// four raster formats are shown. The name of the file has no influence, so that HTML and SVG are
/// plain text.
#[must_use]
pub fn raw_content_type(head: &[u8]) -> RawType {
    let shown = |content_type| RawType { content_type, is_attachment: false };
    match head {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => shown("image/png"),
        [0xff, 0xd8, 0xff, ..] => shown("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => shown("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => shown("image/webp"),
        head if is_binary(head) => {
            RawType { content_type: "application/octet-stream", is_attachment: true }
        }
        _ => shown("text/plain; charset=utf-8"),
    }
}

/// Returns true if a zero byte is among the first 8 KiB.
pub(crate) fn is_binary(head: &[u8]) -> bool {
    head.iter().take(TEXT_HEAD).any(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_and_raster_images_are_shown() {
        for (head, content_type) in [
            (&b""[..], "text/plain; charset=utf-8"),
            (b"<!doctype html><script>", "text/plain; charset=utf-8"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'>", "text/plain; charset=utf-8"),
            (b"\x89PNG\r\n\x1a\n\0", "image/png"),
            (b"\xff\xd8\xff\xe0\0", "image/jpeg"),
            (b"GIF89a\0", "image/gif"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        ] {
            assert_eq!(raw_content_type(head), RawType { content_type, is_attachment: false });
        }
        for head in [&b"\x7fELF\0"[..], b"RIFF\0\0\0\0WAVE", b"\x89PNG\0"] {
            let raw = raw_content_type(head);
            assert_eq!((raw.content_type, raw.is_attachment), ("application/octet-stream", true));
        }
    }

    #[test]
    fn zero_bytes_count_only_at_the_start() {
        let mut text = vec![b'a'; TEXT_HEAD];
        text.push(0);
        assert!(!is_binary(&text));
        assert!(is_binary(&text[1..]));
    }
}
