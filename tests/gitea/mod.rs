//! Gitea as a backend, against a fake that is held to recorded answers.

mod fake_is_true;
