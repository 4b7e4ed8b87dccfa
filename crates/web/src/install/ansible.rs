//! Task for Ansible.

use crate::install::quoting::ansible;
use crate::install::{InstallLine, InstallTarget};

#[expect(clippy::unnecessary_wraps, reason = "the makers have one signature")]
pub(super) fn line(target: &InstallTarget) -> Option<InstallLine> {
    let task = ansible(&format!("Fetch {} {}", target.id, target.version));
    let url = ansible(&target.url);
    let file = ansible(&format!("/var/tmp/{}", target.file_name.as_str()));
    let mut text = format!(
        "- name: {task}\n  ansible.builtin.get_url:\n    url: {url}\n    dest: {file}\n    mode: \"0644\""
    );
    if let Some(digest) = &target.digest {
        text.push_str(&format!("\n    checksum: \"{digest}\""));
    }
    if target.needs_token {
        text.push_str(
            "\n    headers:\n      Authorization: \"Bearer {{ lookup('env', \
             'EXTENSION_REGISTRY_TOKEN') }}\"",
        );
    }
    Some(InstallLine { kind: "ansible", label: "Ansible", text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_checks_the_digest() {
        let target = InstallTarget { needs_token: true, ..InstallTarget::for_tests() };
        let expected = format!(
            r#"- name: "Fetch taskserv/kubernetes 1.31.0"
  ansible.builtin.get_url:
    url: "https://registry.example.com/api/v1/extensions/taskserv/kubernetes/1.31.0"
    dest: "/var/tmp/kubernetes-1.31.0.tar.gz"
    mode: "0644"
    checksum: "sha256:{}"
    headers:
      Authorization: "Bearer {{{{ lookup('env', 'EXTENSION_REGISTRY_TOKEN') }}}}""#,
            "ab".repeat(32)
        );
        assert_eq!(line(&target).unwrap().text, expected);
    }
}
