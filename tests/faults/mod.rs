//! What can go wrong, each row of the catalog of failures as a test named after its number.

mod counted;
mod inbound;
mod leaving;
mod memory;
mod names;
mod notices;
mod outages;
mod pace;
mod patience;
mod recovery;
mod rig;
mod slow;
mod storm;
mod unread;
