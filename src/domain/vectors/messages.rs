//! What staff members write to each other, and what is kept of each in their own space.

use super::{ANA, AUTHOR, BEN, HASH, ROOM, Vectors, frozen};
use crate::domain::id::{Hash, StaffId};
use crate::domain::log::Epoch;
use crate::domain::message::{EntryId, Mark, Message, SendKey, StaffItem};
use crate::domain::passkey::{Copies, Passkey, PasskeyId, PasskeyKey};
use crate::domain::retraction::{Retraction, Withdrawn};
use crate::domain::space::Space;
use crate::domain::testing::{NOON, SampleClinic, passkey};
use crate::domain::time::Day;

fn messages(clinic: &SampleClinic) -> Vec<(&'static str, Message)> {
    let (staff, author) = (ANA, AUTHOR);
    let mark = |epoch| Mark {
        author,
        epoch: Epoch(epoch),
        seq: 9,
    };
    let entry = EntryId {
        space: Space::Room(ROOM),
        author,
        epoch: Epoch(7),
        seq: 9,
    };
    let text = "Bed 4 is free — höchste Zeit".to_owned();
    vec![
        (
            "text",
            Message::Text {
                staff,
                text: text.clone(),
                reply_to: None,
                mentions: Vec::new(),
                key: None,
            },
        ),
        (
            "text in full",
            Message::Text {
                staff,
                text,
                reply_to: Some(entry),
                mentions: vec![ANA, BEN],
                key: Some(SendKey::of(&staff, "tab 3, message 17")),
            },
        ),
        (
            "opened",
            Message::Opened {
                staff,
                marks: vec![mark(7), mark(8)],
            },
        ),
        ("acknowledged", Message::Acknowledged { staff, entry }),
        (
            "amended",
            Message::Amended {
                staff,
                entry,
                text: "Bed 5 is free".into(),
            },
        ),
        (
            "retracted",
            Message::Retracted {
                retraction: retraction(clinic, staff, entry),
                reason: "Wrong room".into(),
            },
        ),
    ]
}

fn staff_items() -> [(&'static str, StaffItem); 12] {
    let phc = "$argon2id$v=19$m=65536,t=3,p=1$c2FsdA$aGFzaA".into();
    [
        ("password", StaffItem::Password { phc, at: NOON }),
        (
            "totp",
            StaffItem::Totp {
                secret: [0x5b; 20],
                step: 59_000_000,
            },
        ),
        ("totp-used", StaffItem::TotpUsed { step: 59_000_001 }),
        (
            "recovery-codes",
            StaffItem::RecoveryCodes {
                hashes: vec![HASH, Hash::new([0x6c; 32])],
            },
        ),
        ("recovery-used", StaffItem::RecoveryUsed { hash: HASH }),
        ("factors-cleared", StaffItem::FactorsCleared {}),
        ("passkey-p256", StaffItem::PasskeyAdded(passkey(1))),
        (
            "passkey-p384",
            StaffItem::PasskeyAdded(passkey_with(p384())),
        ),
        ("passkey-rsa", StaffItem::PasskeyAdded(passkey_with(rsa()))),
        (
            "passkey-used",
            StaffItem::PasskeyUsed {
                passkey: PasskeyId::of(b"one"),
                counter: 41,
                copies: Copies::Made,
            },
        ),
        (
            "passkey-removed",
            StaffItem::PasskeyRemoved {
                passkey: PasskeyId::of(b"one"),
            },
        ),
        ("totp-removed", StaffItem::TotpRemoved {}),
    ]
}

fn passkey_with(key: PasskeyKey) -> Passkey {
    Passkey {
        key,
        domain: "localhost".into(),
        copies: Copies::NotYet,
        ..passkey(2)
    }
}

const fn p384() -> PasskeyKey {
    let (x, y) = ([0x38; 48], [0x48; 48]);
    PasskeyKey::P384 { x, y }
}

fn rsa() -> PasskeyKey {
    PasskeyKey::Rsa {
        modulus: vec![0x52; 256],
        exponent: [1, 0, 1],
    }
}

fn retraction(clinic: &SampleClinic, staff: StaffId, entry: EntryId) -> Retraction {
    let withdrawn = Withdrawn {
        staff,
        entry,
        amendments: vec![EntryId { seq: 11, ..entry }],
        until: Day(20_778),
    };
    Retraction::sign(&clinic.id, &clinic.device("front-desk").key, withdrawn)
}

pub(super) fn vectors(clinic: &SampleClinic) -> Vectors {
    let mut found = Vectors::new();
    for (what, message) in messages(clinic) {
        found.push((format!("message {what}"), message.to_body()));
    }
    for (what, item) in staff_items() {
        found.push((format!("staff-item {what}"), item.to_body()));
    }
    found
}

#[test]
fn every_frozen_message_and_staff_item_is_read_back() {
    let clinic = SampleClinic::of(["front-desk"]);
    for (what, message) in messages(&clinic) {
        let read = Message::from_body(&Space::Room(ROOM), &frozen(&format!("message {what}")));
        assert_eq!(read, Ok(message));
    }
    for (what, item) in staff_items() {
        let read = StaffItem::from_body(&frozen(&format!("staff-item {what}")));
        assert_eq!(read, Ok(item), "{what}");
    }
}
