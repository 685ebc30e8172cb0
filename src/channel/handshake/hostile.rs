//! What a stranger, a meddler on the wire and a misbehaving member can and cannot do.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use super::*;
use crate::channel::fixture::*;
use crate::channel::noise::FIRST_MESSAGE;
use crate::channel::noise::tests::{BadKey, LOW_ORDER, machine_with_bad_key};
use crate::domain::id::{ClinicId, unhex};

fn error(outcome: &Outcome) -> HandshakeError {
    outcome.as_ref().err().expect("no session").clone()
}

/// What `ward` makes of `bytes` and nothing more, and what it sends back.
///
/// `then` says whether the caller hangs up after them or stays.
async fn say(ward: &Party, bytes: &[u8], then: Then) -> (Outcome, Vec<u8>) {
    let (mut stranger, socket) = tokio::io::duplex(1 << 17);
    let talk = async {
        stranger.write_all(bytes).await.unwrap();
        if then == Then::HangUp {
            stranger.shutdown().await.unwrap();
        }
        let mut back = Vec::new();
        stranger.read_to_end(&mut back).await.unwrap();
        back
    };
    tokio::join!(
        handshake(socket.compat(), &ward.local, ward.listens()),
        talk
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    HangUp,
    Stay,
}

/// A dialler's first bytes under these terms.
fn opening(psk: [u8; 32], clinic: &ClinicId, preface: Preface) -> (Vec<u8>, HandshakeState) {
    let prologue = preface.prologue(clinic);
    let mut state = noise::start(Side::Initiator, &noise_key(9), &psk, &prologue).unwrap();
    let mut bytes = preface.encode().to_vec();
    exchange::append_message(&mut bytes, &mut state, &[], Stage::FirstMessage).unwrap();
    (bytes, state)
}

const MESH: Preface = Preface::Mesh { epoch: 5 };

#[tokio::test(start_paused = true)]
async fn a_stranger_without_the_mesh_key_gets_not_one_byte() {
    let clinic = Clinic::new();
    let (bytes, _) = opening([0; 32], &clinic.id, MESH);
    let (outcome, back) = say(&clinic.party(2), &bytes, Then::Stay).await;
    assert_eq!(error(&outcome), HandshakeError::Stranger);
    assert!(back.is_empty(), "nothing was sent back");
}

#[tokio::test(start_paused = true)]
async fn another_clinic_with_the_same_mesh_key_gets_not_one_byte() {
    let (clinic, other) = (Clinic::new(), Clinic::founded_by(0xc1));
    let (dialled, answered) = meet(&other.party(1), &clinic.party(2)).await;
    assert_eq!(error(&answered), HandshakeError::Stranger);
    assert_eq!(
        error(&dialled),
        HandshakeError::PeerLeft(Stage::SecondMessage)
    );

    let (bytes, _) = opening([5; 32], &other.id, MESH);
    let (_, back) = say(&clinic.party(2), &bytes, Then::Stay).await;
    assert!(back.is_empty(), "nothing was sent back");
}

#[tokio::test(start_paused = true)]
async fn the_epoch_in_the_preface_cannot_be_swapped_for_another() {
    let clinic = Clinic::new();
    // Made with the key of epoch 5 for a preface that says 4, and sent with one that says 5.
    let (mut bytes, _) = opening([5; 32], &clinic.id, Preface::Mesh { epoch: 4 });
    bytes[..10].copy_from_slice(&MESH.encode());
    let (outcome, back) = say(&clinic.party(2), &bytes, Then::Stay).await;
    assert_eq!(error(&outcome), HandshakeError::Stranger);
    assert!(back.is_empty(), "nothing was sent back");
}

#[tokio::test(start_paused = true)]
async fn an_enrolment_caller_is_not_answered_on_the_mesh_port() {
    let clinic = Clinic::new();
    let (bytes, _) = opening([5; 32], &ClinicId::new([0; 32]), Preface::Enrolment);
    let (outcome, back) = say(&clinic.party(2), &bytes, Then::Stay).await;
    assert_eq!(error(&outcome), HandshakeError::OtherMode);
    assert!(back.is_empty(), "nothing was sent back");
}

#[tokio::test(start_paused = true)]
async fn garbage_gets_not_one_byte_back() {
    let clinic = Clinic::new();
    let ward = clinic.party(2);
    let mut seed = 7_u64;
    for round in 0..200 {
        let mut bytes: Vec<u8> = (0..round * 3)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .collect();
        if round % 2 == 0 && bytes.len() >= 10 {
            bytes[..10].copy_from_slice(&MESH.encode());
        }
        let (outcome, back) = say(&ward, &bytes, Then::HangUp).await;
        assert!(outcome.is_err());
        assert!(back.is_empty(), "nothing was sent back");
    }
}

#[tokio::test(start_paused = true)]
async fn a_truncated_first_message_gets_not_one_byte_back() {
    let clinic = Clinic::new();
    let (bytes, _) = opening([5; 32], &clinic.id, MESH);
    for len in 0..bytes.len() {
        let (outcome, back) = say(&clinic.party(2), &bytes[..len], Then::HangUp).await;
        assert_eq!(
            error(&outcome),
            HandshakeError::PeerLeft(Stage::FirstMessage),
            "{len}"
        );
        assert!(back.is_empty(), "nothing was sent back");
    }
}

#[tokio::test(start_paused = true)]
async fn an_oversize_first_frame_is_refused_by_its_length_alone() {
    let clinic = Clinic::new();
    let mut bytes = MESH.encode().to_vec();
    bytes.extend(49_u16.to_be_bytes());
    let (outcome, back) = say(&clinic.party(2), &bytes, Then::Stay).await;
    let limit = FIRST_MESSAGE;
    assert_eq!(
        error(&outcome),
        HandshakeError::FrameLength { actual: 49, limit }
    );
    assert!(back.is_empty(), "nothing was sent back");
}

#[tokio::test(start_paused = true)]
async fn an_oversize_second_or_third_message_is_refused_by_its_length_alone() {
    let clinic = Clinic::new();
    for (piece, victim_is_dialler) in [(2, true), (3, false)] {
        let (dialled, answered) =
            meet_across(&clinic.party(1), &clinic.party(2), |index, bytes| {
                if index == piece {
                    bytes[..2].copy_from_slice(&(FRAME_MAX as u16 + 1).to_be_bytes());
                }
            })
            .await;
        let victim = if victim_is_dialler { dialled } else { answered };
        let expected = HandshakeError::FrameLength {
            actual: FRAME_MAX + 1,
            limit: FRAME_MAX,
        };
        assert_eq!(error(&victim), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_stalls_before_its_first_frame_is_dropped_after_two_seconds() {
    let clinic = Clinic::new();
    let (bytes, _) = opening([5; 32], &clinic.id, MESH);
    for sent in [0, 5, 10, 12, bytes.len() - 1] {
        let began = Instant::now();
        let (outcome, back) = say(&clinic.party(2), &bytes[..sent], Then::Stay).await;
        assert_eq!(error(&outcome), HandshakeError::FirstMessageLate);
        assert_eq!(began.elapsed(), Duration::from_secs(2));
        assert!(back.is_empty(), "nothing was sent back");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_stalls_after_its_first_frame_is_dropped_after_five_seconds() {
    let clinic = Clinic::new();
    let (bytes, _) = opening([5; 32], &clinic.id, MESH);
    let began = Instant::now();
    let (outcome, _) = say(&clinic.party(2), &bytes, Then::Stay).await;
    assert_eq!(error(&outcome), HandshakeError::Late);
    assert_eq!(began.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_never_answers_is_given_up_after_five_seconds() {
    let clinic = Clinic::new();
    let front = clinic.party(1);
    let (one, _other) = wire();
    let began = Instant::now();
    let outcome = handshake(one, &front.local, front.dials()).await;
    assert_eq!(error(&outcome), HandshakeError::Late);
    assert_eq!(began.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_drips_one_byte_per_second_is_dropped() {
    let clinic = Clinic::new();
    let ward = clinic.party(2);
    let (first, _) = opening([5; 32], &clinic.id, MESH);
    let third = [&[0x10, 0][..], &[0; 64]].concat();
    // From the very first byte, and only after a good first message.
    for (at_once, dripped, limit) in [(&[][..], &first[..], 2), (&first[..], &third[..], 5)] {
        let (mut caller, socket) = tokio::io::duplex(1 << 17);
        let began = Instant::now();
        let drip = async {
            caller.write_all(at_once).await.unwrap();
            for byte in dripped {
                sleep(Duration::from_secs(1)).await;
                if caller.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
        };
        let listen = async {
            let outcome = handshake(socket.compat(), &ward.local, ward.listens()).await;
            assert_eq!(began.elapsed(), Duration::from_secs(limit));
            outcome
        };
        let (outcome, ()) = tokio::join!(listen, drip);
        let late = [HandshakeError::FirstMessageLate, HandshakeError::Late];
        assert!(late.contains(&error(&outcome)));
    }
}

#[tokio::test(start_paused = true)]
async fn closing_after_any_number_of_bytes_leaves_no_session_and_no_wait() {
    let clinic = Clinic::new();
    let (front, ward) = (clinic.party(1), clinic.party(2));
    for (piece, (_, from)) in PIECES.into_iter().enumerate() {
        for keep in [0, 1, 9] {
            let began = Instant::now();
            let (dialled, answered) = meet_cut(&front, &ward, piece, keep).await;
            let receiver = if from == From::Dialler {
                answered
            } else {
                dialled
            };
            assert!(
                matches!(error(&receiver), HandshakeError::PeerLeft(_)),
                "piece {piece}"
            );
            assert!(began.elapsed() <= HOP * 6);
        }
    }
}

/// A meeting whose wire is cut `keep` bytes into a piece.
async fn meet_cut(front: &Party, ward: &Party, piece: usize, keep: usize) -> (Outcome, Outcome) {
    meet_until(front, ward, |index, bytes| {
        if index < piece {
            return Wires::Whole;
        }
        bytes.truncate(keep);
        Wires::Cut
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_flipped_bit_in_any_byte_of_the_handshake_leaves_its_receiver_without_a_session() {
    let clinic = Clinic::new();
    let (front, ward) = (clinic.party(1), clinic.party(2));
    let mut lens = [0; PIECES.len()];
    let _whole = meet_across(&front, &ward, |index, bytes| lens[index] = bytes.len()).await;
    for (piece, (name, from)) in PIECES.into_iter().enumerate() {
        for at in 0..lens[piece] {
            let (dialled, answered) = meet_across(&front, &ward, |index, bytes| {
                if index == piece {
                    bytes[at] ^= 1 << (at % 8);
                }
            })
            .await;
            let receiver = if from == From::Dialler {
                answered
            } else {
                dialled
            };
            assert!(receiver.is_err(), "{name}, byte {at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_forged_verdict_is_not_believed() {
    let clinic = Clinic::new();
    for (piece, expect_dialler) in [(4, false), (5, true)] {
        let (dialled, answered) =
            meet_across(&clinic.party(1), &clinic.party(2), |index, bytes| {
                if index == piece {
                    bytes[2..].fill(0);
                }
            })
            .await;
        let victim = if expect_dialler { dialled } else { answered };
        assert_eq!(error(&victim), HandshakeError::Forged(Stage::Verdict));
    }
}

#[tokio::test(start_paused = true)]
async fn a_recorded_session_played_again_never_yields_a_session() {
    let clinic = Clinic::new();
    let (front, ward) = (clinic.party(1), clinic.party(2));
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    let (dialled, answered) =
        meet_across(&front, &ward, |_, bytes| pieces.push(bytes.clone())).await;
    assert!(dialled.is_ok() && answered.is_ok());
    assert_eq!(pieces.len(), PIECES.len());

    let said_by = |who| {
        let spoken = pieces
            .iter()
            .zip(PIECES)
            .filter(move |(_, (_, from))| *from == who);
        spoken
            .flat_map(|(piece, _)| piece.clone())
            .collect::<Vec<u8>>()
    };
    let (outcome, _) = say(&ward, &said_by(From::Dialler), Then::Stay).await;
    assert_eq!(error(&outcome), HandshakeError::Forged(Stage::ThirdMessage));

    let (mut echo, socket) = tokio::io::duplex(1 << 17);
    echo.write_all(&said_by(From::Listener)).await.unwrap();
    let outcome = handshake(socket.compat(), &front.local, front.dials()).await;
    assert_eq!(
        error(&outcome),
        HandshakeError::Forged(Stage::SecondMessage)
    );
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_echoes_the_dialler_gets_no_session() {
    let clinic = Clinic::new();
    let front = clinic.party(1);
    let (one, other) = wire();
    let mirror = async {
        use futures::AsyncReadExt as _;
        let (reader, mut writer) = other.split();
        let _ends = futures::io::copy(reader, &mut writer).await;
    };
    let outcome = tokio::select! {
        outcome = handshake(one, &front.local, front.dials()) => outcome,
        () = mirror => unreachable!("the mirror outlives the handshake"),
    };
    assert!(outcome.is_err());
}

/// Both keys that a hostile end may choose badly, with every point of low order.
fn bad_keys(side: Side, clinic: &Clinic) -> impl Iterator<Item = (BadKey, HandshakeState)> {
    let prologue = MESH.prologue(&clinic.id);
    [BadKey::Ephemeral, BadKey::Static]
        .into_iter()
        .flat_map(move |which| {
            let prologue = prologue.clone();
            LOW_ORDER.map(|point| {
                let point = unhex(point).unwrap().try_into().unwrap();
                (
                    which,
                    machine_with_bad_key(side, &[5; 32], &prologue, which, point),
                )
            })
        })
}

#[tokio::test(start_paused = true)]
async fn a_dialler_with_a_low_order_key_gets_no_session() {
    let clinic = Clinic::new();
    let (ward, hello) = (clinic.party(2), clinic.party(1).local.hello());
    for (which, mut state) in bad_keys(Side::Initiator, &clinic) {
        let (mut io, socket) = wire();
        let attack = async {
            exchange::send_first(&mut io, MESH, &mut state).await?;
            exchange::receive(&mut io, &mut state, Stage::SecondMessage).await?;
            let mut bytes = Vec::new();
            exchange::append_message(&mut bytes, &mut state, &hello, Stage::ThirdMessage)?;
            frame::write(&mut io, &bytes, Stage::Verdict).await?;
            receive_verdict(&mut io, &mut exchange::finish(state)).await
        };
        let listen = handshake(socket, &ward.local, ward.listens());
        let (outcome, attack) = tokio::join!(listen, attack);
        let (seen, left) = match which {
            BadKey::Ephemeral => (Stage::SecondMessage, Stage::SecondMessage),
            BadKey::Static => (Stage::ThirdMessage, Stage::Verdict),
        };
        assert_eq!(error(&outcome), HandshakeError::Forged(seen));
        assert_eq!(attack, Err(HandshakeError::PeerLeft(left)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_with_a_low_order_key_gets_no_session_and_sees_no_certificate() {
    let clinic = Clinic::new();
    let (front, hello) = (clinic.party(1), clinic.party(2).local.hello());
    for (_, mut state) in bad_keys(Side::Responder, &clinic) {
        let (mut io, socket) = wire();
        let attack = async {
            First::read(&mut io).await?.open(&mut state)?;
            exchange::send_second(&mut io, &mut state, &hello).await?;
            exchange::receive(&mut io, &mut state, Stage::ThirdMessage)
                .await
                .map(drop)
        };
        let dial = handshake(socket, &front.local, front.dials());
        let (outcome, attack) = tokio::join!(dial, attack);
        assert_eq!(
            error(&outcome),
            HandshakeError::Forged(Stage::SecondMessage)
        );
        assert_eq!(attack, Err(HandshakeError::PeerLeft(Stage::ThirdMessage)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_hello_is_no_hello_is_told_that_it_is_malformed() {
    let clinic = Clinic::new();
    let (ward, good) = (clinic.party(2), clinic.party(1).local.hello());
    let trailing = [&good[..], &[0]].concat();
    let mut unminimal = good.clone();
    // An array of two, said with one byte more than needed.
    unminimal.splice(0..1, [0x98, 0x02]);
    for hello in [&[][..], &[0xff; 300], &good[1..], &trailing, &unminimal] {
        let (mut io, socket) = wire();
        let prologue = MESH.prologue(&clinic.id);
        let mut state = noise::start(Side::Initiator, &noise_key(1), &[5; 32], &prologue).unwrap();
        let attack = async {
            exchange::send_first(&mut io, MESH, &mut state).await?;
            exchange::receive(&mut io, &mut state, Stage::SecondMessage).await?;
            let mut bytes = Vec::new();
            exchange::append_message(&mut bytes, &mut state, hello, Stage::ThirdMessage)?;
            let mut noise = exchange::finish(state);
            exchange::append_sealed(&mut bytes, &mut noise, &[ACCEPTED])?;
            frame::write(&mut io, &bytes, Stage::Verdict).await?;
            receive_verdict(&mut io, &mut noise).await
        };
        let listen = handshake(socket, &ward.local, ward.listens());
        let (outcome, attack) = tokio::join!(listen, attack);
        let refused = HandshakeError::Refused {
            why: Refusal::Malformed,
            device: None,
        };
        assert_eq!(error(&outcome), refused);
        assert_eq!(
            attack,
            Err(HandshakeError::RefusedByPeer(Refusal::Malformed))
        );
    }
}
