use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use super::*;
use crate::channel::fixture::{Wire, noise_key, wire};
use crate::domain::invitation::{InvitationSecret, short_code};

type Answered = Result<(Asked, Enrolment<Wire>), HandshakeError>;

fn psk(n: u8) -> [u8; 32] {
    InvitationSecret::new([n; 16]).psk()
}

async fn enrol(
    psk: [u8; 32],
    psks: &[[u8; 32]],
) -> (Result<Enrolment<Wire>, HandshakeError>, Answered) {
    let (one, other) = wire();
    let (newcomer, node) = (noise_key(1), noise_key(2));
    tokio::join!(
        ask(one, &newcomer, &psk, b"let me in"),
        answer(other, &node, psks)
    )
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_with_an_invitation_is_heard_and_both_screens_show_one_code() {
    let (asked, answered) = enrol(psk(7), &[psk(5), psk(6), psk(7)]).await;
    let (mut newcomer, (request, mut node)) = (asked.unwrap(), answered.unwrap());
    assert_eq!(request.invitation, 2);
    assert_eq!(&request.request[..], b"let me in");
    assert_eq!(node.key, noise_key(1).public());
    assert_eq!(newcomer.key, noise_key(2).public());
    assert_eq!(
        short_code(newcomer.code_seed.as_bytes()),
        short_code(node.code_seed.as_bytes())
    );

    use futures::{AsyncReadExt as _, AsyncWriteExt as _};
    node.stream.write_all(b"welcome").await.unwrap();
    node.stream.close().await.unwrap();
    let mut heard = Vec::new();
    newcomer.stream.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"welcome");
}

#[tokio::test(start_paused = true)]
async fn no_two_enrolments_show_the_same_code_seed() {
    let (_, one) = enrol(psk(7), &[psk(7)]).await;
    let (_, other) = enrol(psk(7), &[psk(7)]).await;
    assert_ne!(one.unwrap().1.code_seed, other.unwrap().1.code_seed);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_without_an_invitation_gets_not_one_byte() {
    for psks in [&[][..], &[psk(1), psk(2)]] {
        let (mut stranger, socket) = tokio::io::duplex(1 << 16);
        let mut state = start(Side::Initiator, &noise_key(1), &psk(7)).unwrap();
        let mut bytes = Preface::Enrolment.encode().to_vec();
        exchange::append_message(&mut bytes, &mut state, &[], Stage::FirstMessage).unwrap();
        stranger.write_all(&bytes).await.unwrap();
        let outcome = answer(socket.compat(), &noise_key(2), psks).await;
        assert_eq!(outcome.err(), Some(HandshakeError::Stranger));
        let mut back = Vec::new();
        stranger.read_to_end(&mut back).await.unwrap();
        assert!(back.is_empty(), "nothing was sent back");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mesh_dialler_is_not_answered_by_an_enrolment_listener() {
    let (mut stranger, socket) = tokio::io::duplex(1 << 16);
    let mut bytes = Preface::Mesh { epoch: 1 }.encode().to_vec();
    bytes.extend([0, 48]);
    bytes.extend([0; 48]);
    stranger.write_all(&bytes).await.unwrap();
    let outcome = answer(socket.compat(), &noise_key(2), &[psk(7)]).await;
    assert_eq!(outcome.err(), Some(HandshakeError::OtherMode));
}

#[tokio::test(start_paused = true)]
async fn no_more_than_32_invitations_are_tried() {
    let mut psks = vec![psk(1); INVITATIONS_MAX];
    psks[INVITATIONS_MAX - 1] = psk(7);
    assert_eq!(
        enrol(psk(7), &psks).await.1.unwrap().0.invitation,
        INVITATIONS_MAX - 1
    );
    psks.insert(0, psk(1));
    assert_eq!(
        enrol(psk(7), &psks).await.1.err(),
        Some(HandshakeError::Stranger)
    );
}

#[tokio::test(start_paused = true)]
async fn the_longest_request_arrives_whole_and_a_longer_one_is_not_sent() {
    let (one, other) = wire();
    let request = vec![0x5a; REQUEST_MAX];
    let (newcomer, node) = (noise_key(1), noise_key(2));
    let psks = [psk(7)];
    let (asked, answered) = tokio::join!(
        ask(one, &newcomer, &psks[0], &request),
        answer(other, &node, &psks)
    );
    assert!(asked.is_ok());
    assert_eq!(answered.unwrap().0.request[..], request);

    let outcome = ask(wire().0, &newcomer, &psks[0], &[0; REQUEST_MAX + 1]).await;
    let (actual, limit) = (REQUEST_MAX + 1, REQUEST_MAX);
    assert_eq!(
        outcome.err(),
        Some(HandshakeError::FrameLength { actual, limit })
    );
}

/// A listener that knows the invitation and shows another number than it promised.
#[tokio::test(start_paused = true)]
async fn a_listener_that_changes_its_number_afterwards_is_found_out() {
    let (one, mut io) = wire();
    let cheat = async {
        let first = First::read(&mut io).await?;
        let mut state = start(Side::Responder, &noise_key(2), &psk(7))?;
        first.open(&mut state)?;
        exchange::send_second(&mut io, &mut state, promise_of(&[1; NUMBER]).as_bytes()).await?;
        exchange::receive(&mut io, &mut state, Stage::ThirdMessage).await?;
        let mut bytes = Vec::new();
        exchange::append_sealed(&mut bytes, &mut exchange::finish(state), &[2; NUMBER])?;
        frame::write(&mut io, &bytes, Stage::Verdict).await
    };
    let (key, psk) = (noise_key(1), psk(7));
    let (asked, cheat) = tokio::join!(ask(one, &key, &psk, b""), cheat);
    assert_eq!(cheat, Ok(()));
    assert_eq!(asked.err(), Some(HandshakeError::Forged(Stage::Verdict)));
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_that_stalls_is_dropped_after_two_seconds() {
    let (_stranger, socket) = tokio::io::duplex(1 << 16);
    let began = tokio::time::Instant::now();
    let outcome = answer(socket.compat(), &noise_key(2), &[psk(7)]).await;
    assert_eq!(outcome.err(), Some(HandshakeError::FirstMessageLate));
    assert_eq!(began.elapsed(), FIRST_FRAME_MAX);
}
