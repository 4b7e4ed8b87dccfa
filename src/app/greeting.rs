//! Greetings of a start: the addresses in the log, and for the demo requests to try.

use std::io::{self, Write as _};
use std::net::SocketAddr;

use registry_core::models::public_url::PublicUrl;
use registry_server::urls::BASE;
use tracing::info;

use crate::app::LOG_TARGET;
use crate::app::listeners::Sockets;
use crate::build_info;

pub(super) fn log(sockets: &Sockets, url: &PublicUrl) -> io::Result<()> {
    let (address, version) = (sockets.address()?, build_info::LINE.as_str());
    info!(target: LOG_TARGET, %address, %url, version, "serving");
    if let Some(health_address) = sockets.health_address()? {
        info!(target: LOG_TARGET, %health_address, "serving health and metrics");
    }
    Ok(())
}

pub(super) fn print(url: &PublicUrl, address: SocketAddr, extensions: usize) -> io::Result<()> {
    io::stdout().write_all(text(url, address, extensions).as_bytes())
}

fn text(url: &PublicUrl, address: SocketAddr, extensions: usize) -> String {
    let base = url.at(BASE);
    let open = if address.ip().is_unspecified() {
        format!(
            "It listens on every address of this machine, port {}. From outside a container, ask the \
             port\nthat was published (docker run --publish).\n",
            address.port()
        )
    } else {
        String::new()
    };
    format!(
        "\nServing {extensions} sample extensions on {url}\n{open}\n\
         \x20 all of them       curl {base}/extensions\n\
         \x20 search            curl '{base}/extensions/search?q=kubernetes'\n\
         \x20 versions of one   curl {base}/extensions/provider/aws/versions\n\
         \x20 download one      curl -OJ {base}/extensions/provider/aws/1.2.0\n\
         \x20 health            curl {base}/health\n\n\
         Stop with Ctrl-C. To serve your own, begin with: extension-registry config init\n\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_name_an_address_that_a_client_can_reach() {
        for (address, base, everywhere) in [
            ("127.0.0.1:8082", "http://127.0.0.1:8082/", false),
            ("0.0.0.0:8082", "http://127.0.0.1:8082/", true),
            ("[::]:9000", "http://[::1]:9000/", true),
            ("[::1]:9000", "http://[::1]:9000/", false),
            ("192.0.2.7:80", "http://192.0.2.7:80/", false),
        ] {
            let address = address.parse().unwrap();
            let text = text(&PublicUrl::of_listener(address, false), address, 15);
            let commands: Vec<&str> = text.lines().filter(|line| line.contains("curl ")).collect();
            assert_eq!(commands.len(), 5, "{text}");
            assert!(commands.iter().all(|line| line.contains(base)), "{text}");
            assert_eq!(text.contains("every address"), everywhere, "{text}");
            assert!(!text.contains("0.0.0.0"), "{text}");
        }
    }
}
