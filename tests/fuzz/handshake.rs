//! The three handshakes: of two members, of a machine that was invited, and of a device that asks to be
//! renewed. Somebody on the line changes what passes.

use std::future::Future;
use std::pin::Pin;

use clinic_mesh::channel::{
    Attempt, HandshakeError, Role, StaticKey, enrolment, handshake, renewal,
};
use clinic_mesh::domain::invitation::InvitationSecret;
use clinic_mesh::platform::clock::Clock;

use crate::line::{Attack, Met, Tamper, over_a_line};
use crate::offices::Clinic;

/// One of the handshakes.
pub(crate) struct Handshake {
    pub(crate) name: &'static str,
    meet: fn(&Clinic, [Tamper; 2]) -> Meeting<'_>,
}

type Meeting<'a> = Pin<Box<dyn Future<Output = Met> + 'a>>;

/// All of them.
pub(crate) const ALL: &[Handshake] = &[
    Handshake {
        name: "handshake",
        meet: |clinic, tampers| Box::pin(of_members(clinic, tampers)),
    },
    Handshake {
        name: "enrolment-handshake",
        meet: |_, tampers| Box::pin(of_newcomer(tampers)),
    },
    Handshake {
        name: "renewal-handshake",
        meet: |clinic, tampers| Box::pin(of_renewal(clinic, tampers)),
    },
];

/// Two enrolled devices, of which the second renews the first, and one of the handshakes.
pub(crate) struct Place {
    clinic: Clinic,
    runtime: tokio::runtime::Runtime,
    handshake: &'static Handshake,
    /// Bytes of each direction, left alone.
    lengths: [usize; 2],
}

impl Place {
    /// Left alone, the two meet: the target is not refusing everything for another reason.
    pub(crate) fn new(handshake: &'static Handshake) -> Self {
        let mut clinic = Clinic::found();
        clinic.enrol("front-desk");
        clinic.enrol("ward-2");
        let asking = clinic.local("front-desk").credentials.certificate.clone();
        let renewer = &clinic.local("ward-2").renewer;
        // What is signed is for the record to judge; here it only has to arrive.
        renewer.serve(move |_| {
            let signed = asking.clone();
            Box::pin(async move { Ok(signed) })
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let mut place = Self {
            clinic,
            runtime: runtime.expect("timers need nothing"),
            handshake,
            lengths: [0; 2],
        };
        let met = place.meet([Tamper::Nothing; 2]);
        assert_eq!(met.ends, (true, true), "{} left alone", handshake.name);
        place.lengths = met.passed;
        place
    }

    /// One handshake with one direction changed; it ends, and never both sides take it for good when
    /// bytes that they exchanged were changed.
    pub(crate) fn tampered(&mut self, seed: u64) {
        let attack = Attack::new(seed, self.lengths);
        let met = self.meet(attack.tampers);
        assert!(
            !attack.shows || met.ends != (true, true),
            "{}: {attack:?} of seed {seed} was not noticed",
            self.handshake.name
        );
    }

    fn meet(&mut self, tampers: [Tamper; 2]) -> Met {
        let meeting = (self.handshake.meet)(&self.clinic, tampers);
        self.runtime.block_on(meeting)
    }
}

fn attempt(role: Role) -> Attempt {
    Attempt {
        role,
        address: None,
        now: Clock::start().now(),
    }
}

const DIAL: Role = Role::Dial {
    device: None,
    epoch: None,
};

/// Whether each of two members has a channel in the end.
async fn of_members(clinic: &Clinic, tampers: [Tamper; 2]) -> Met {
    let (one, other) = (clinic.local("front-desk"), clinic.local("ward-2"));
    over_a_line(
        tampers,
        |io| async move { handshake(io, one, attempt(DIAL)).await.is_ok() },
        |io| async move { handshake(io, other, attempt(Role::Listen)).await.is_ok() },
    )
    .await
}

/// Whether a newcomer with an invitation and the node that made it hear each other. What the node heard,
/// it heard as it was said.
async fn of_newcomer(tampers: [Tamper; 2]) -> Met {
    let keys = [1, 2].map(|n| StaticKey::from_secret(&[n; 32]));
    let psks = [5, 6, 7].map(|n| InvitationSecret::new([n; 16]).psk());
    let request = [0x5a; 300];
    let (keys, psks) = (&keys, &psks);
    over_a_line(
        tampers,
        |io| async move {
            enrolment::ask(io, &keys[0], &psks[2], &request)
                .await
                .is_ok()
        },
        |io| async move {
            let Ok((asked, newcomer)) = enrolment::answer(io, &keys[1], psks).await else {
                return false;
            };
            assert_eq!((asked.invitation, &asked.request[..]), (2, &request[..]));
            assert_eq!(newcomer.key, keys[0].public());
            true
        },
    )
    .await
}

/// Whether a device gets a certificate, and the node says that it gave one. What the device got is what
/// was signed.
async fn of_renewal(clinic: &Clinic, tampers: [Tamper; 2]) -> Met {
    let (asking, node) = (clinic.local("front-desk"), clinic.local("ward-2"));
    over_a_line(
        tampers,
        |io| async move {
            let Ok(signed) = renewal::ask(io, asking, attempt(DIAL)).await else {
                return false;
            };
            assert_eq!(signed, asking.credentials.certificate);
            true
        },
        |io| async move {
            let ended = handshake(io, node, attempt(Role::Listen)).await;
            matches!(ended.map(drop), Err(HandshakeError::Renewed { .. }))
        },
    )
    .await
}
