use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use super::*;
use crate::domain::codec;
use crate::domain::enrol::{ANSWER_MAX, EnrolmentRequest, SignedRequest, VERSION};
use crate::domain::id::InvitationId;
use crate::domain::invitation::InvitationSecret;
use crate::domain::sign::SigningKey;
use crate::domain::testing::{NOON, name};

const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const QUARTER: Duration = Duration::from_secs(15 * 60);
const NODE: [u8; 32] = [2; 32];
const NEWCOMER: [u8; 32] = [3; 32];

fn secret(n: u8) -> InvitationSecret {
    InvitationSecret::new([n; 16])
}

fn ticket(secret: &InvitationSecret, life: Duration) -> Ticket {
    Ticket {
        invitation: secret.id(),
        psk: Zeroizing::new(secret.psk()),
        life,
    }
}

/// A host with one open invitation, and where it listens.
fn host(secret: &InvitationSecret) -> (Host, SocketAddr) {
    let host = Host::new(ANYWHERE, &NODE);
    let bound = host.open(ticket(secret, QUARTER)).expect("a free port");
    (host, bound)
}

fn request(dialled: &Dialled, invitation: InvitationId) -> SignedRequest {
    let key = SigningKey::from_seed(&[9; 32]);
    let request = EnrolmentRequest {
        version: VERSION,
        device: key.id().as_device(),
        noise_key: public_half(&NEWCOMER),
        name: name("ward-2"),
        address: None,
        invitation: Some(invitation),
        binding: Some(dialled.binding),
        made_at: NOON,
        web_key: None,
    };
    request.sign(None, &key)
}

async fn join(at: SocketAddr, secret: &InvitationSecret) -> Result<(Waiting, String), JoinError> {
    let dialled = dial(&[at], &NEWCOMER, &secret.psk()).await?;
    let short_code = dialled.short_code.clone();
    let request = request(&dialled, secret.id());
    Ok((dialled.ask(&request).await?, short_code))
}

async fn reach(progress: &mut watch::Receiver<Progress>, stage: &str) -> Progress {
    let reached = progress.wait_for(|progress| progress.stage.name() == stage);
    let reached = timeout(Duration::from_secs(20), reached).await;
    let last = reached.unwrap_or_else(|_| panic!("never {stage}"));
    last.expect("the host lives").clone()
}

fn candidate(progress: &Progress) -> &Candidate {
    match &progress.stage {
        Stage::Asked(candidate) => candidate,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_machine_with_the_code_is_let_in_and_both_screens_show_the_same_digits() {
    let secret = secret(7);
    let (host, at) = host(&secret);
    let mut progress = host.progress(secret.id()).expect("open");

    let (mut waiting, on_its_screen) = join(at, &secret).await.expect("heard");
    let asked = reach(&mut progress, "asked").await;
    let found = candidate(&asked);
    assert_eq!(found.short_code, on_its_screen);
    assert_eq!(found.proven, public_half(&NEWCOMER));

    // Larger than a frame of the channel, and than one part.
    let answer = Zeroizing::new(vec![5; 300_000]);
    host.decide(secret.id(), Decision::Answer(answer.clone()))
        .expect("it waits");
    assert_eq!(waiting.answer().await.expect("let in"), answer);
    waiting.taken().await.expect("heard");
    reach(&mut progress, "done").await;
}

#[tokio::test]
async fn the_request_names_the_handshake_that_the_host_saw() {
    let secret = secret(7);
    let (host, at) = host(&secret);
    let mut progress = host.progress(secret.id()).expect("open");
    let _waiting = join(at, &secret).await.expect("heard");
    let asked = reach(&mut progress, "asked").await;
    let found = candidate(&asked);
    let clinic = crate::domain::id::ClinicId::new([1; 32]);
    let opened = found.request.open(&clinic).expect("signed");
    assert_eq!(opened.binding, Some(found.binding));
}

#[tokio::test]
async fn a_wrong_code_gets_no_answer_and_leaves_the_invitation_open() {
    let (host, at) = host(&secret(7));
    let refused = join(at, &secret(8)).await.err();
    assert!(
        matches!(refused, Some(JoinError::UnknownCode { .. })),
        "{refused:?}"
    );
    let progress = host.progress(secret(7).id()).expect("open");
    assert!(matches!(progress.borrow().stage, Stage::Open));
}

#[tokio::test]
async fn a_second_use_is_refused_and_the_admin_is_alarmed_while_the_first_still_waits() {
    let secret = secret(7);
    let (host, at) = host(&secret);
    let mut progress = host.progress(secret.id()).expect("open");
    let mut alarms = host.alarms();
    let (mut first, _) = join(at, &secret).await.expect("heard");
    reach(&mut progress, "asked").await;

    let second = second_try(at, &secret).await;
    assert!(
        matches!(second, JoinError::TurnedAway(TurnedAway::Used)),
        "{second:?}"
    );
    let (invitation, alarm) = alarms.recv().await.expect("an alarm");
    assert_eq!((invitation, alarm.count), (secret.id(), 1));
    assert_eq!(progress.borrow().alarm, Some(alarm));

    host.decide(secret.id(), Decision::Answer(Zeroizing::new(vec![1])))
        .expect("it waits");
    first
        .answer()
        .await
        .expect("the first is let in all the same");
    first.taken().await.expect("heard");
    reach(&mut progress, "done").await;
    let third = second_try(at, &secret).await;
    assert!(
        matches!(third, JoinError::TurnedAway(TurnedAway::Used)),
        "{third:?}"
    );
}

/// Whether the refusal meets the request or its answer does not matter.
async fn second_try(at: SocketAddr, secret: &InvitationSecret) -> JoinError {
    match join(at, secret).await {
        Err(error) => error,
        Ok((mut waiting, _)) => waiting.answer().await.expect_err("the invitation is used"),
    }
}

#[tokio::test]
async fn when_the_admin_says_no_the_machine_hears_it() {
    let secret = secret(7);
    let (host, at) = host(&secret);
    let mut progress = host.progress(secret.id()).expect("open");
    let (mut waiting, _) = join(at, &secret).await.expect("heard");
    reach(&mut progress, "asked").await;
    host.decide(secret.id(), Decision::Refuse)
        .expect("it waits");
    let refused = waiting.answer().await.expect_err("not let in");
    assert!(
        matches!(refused, JoinError::TurnedAway(TurnedAway::Declined)),
        "{refused:?}"
    );
    reach(&mut progress, "declined").await;
    let again = host.decide(secret.id(), Decision::Refuse);
    assert_eq!(again, Err(DecideError::NobodyWaits));
}

#[tokio::test]
async fn whoever_sits_between_makes_the_two_screens_differ() {
    // It knows the code, and plays the node to the machine and the machine to the node.
    let secret = secret(7);
    let (host, node) = host(&secret);
    let mut at_the_node = host.progress(secret.id()).expect("open");
    let between = Host::new(ANYWHERE, &[66; 32]);
    let trap = between.open(ticket(&secret, QUARTER)).expect("a free port");

    let (_waiting, on_the_machine) = join(trap, &secret).await.expect("trapped");
    let _passed_on = join(node, &secret).await.expect("heard");

    let asked = reach(&mut at_the_node, "asked").await;
    assert_ne!(candidate(&asked).short_code, on_the_machine);
}

#[tokio::test]
async fn a_machine_that_hangs_up_uses_the_invitation_up() {
    let secret = secret(7);
    let (host, at) = host(&secret);
    let mut progress = host.progress(secret.id()).expect("open");
    drop(join(at, &secret).await.expect("heard"));
    reach(&mut progress, "left").await;
    let again = second_try(at, &secret).await;
    assert!(
        matches!(again, JoinError::TurnedAway(TurnedAway::Used)),
        "{again:?}"
    );
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_refused() {
    let secret = secret(7);
    let (host, at) = host(&secret);
    let mut progress = host.progress(secret.id()).expect("open");
    let dialled = dial(&[at], &NEWCOMER, &secret.psk()).await.expect("heard");
    let mut waiting = dialled.send(b"let me in").await;
    let refused = waiting.answer().await.expect_err("garbage");
    assert!(
        matches!(refused, JoinError::TurnedAway(TurnedAway::Garbled)),
        "{refused:?}"
    );
    reach(&mut progress, "garbled").await;
}

#[tokio::test]
async fn strangers_garbage_and_silence_cost_the_invitation_nothing() {
    let secret = secret(7);
    let (host, at) = host(&secret);
    let mut progress = host.progress(secret.id()).expect("open");
    let mut garbage = TcpStream::connect(at).await.expect("it listens");
    garbage.write_all(&[0xff; 4096]).await.expect("taken");
    let mut back = Vec::new();
    // A reset is as good as an end.
    let _ = garbage.read_to_end(&mut back).await;
    assert!(back.is_empty(), "a stranger gets not one byte");
    let _silent = TcpStream::connect(at).await.expect("it listens");

    let _waiting = join(at, &secret).await.expect("heard all the same");
    reach(&mut progress, "asked").await;
}

#[tokio::test]
async fn an_answer_over_the_limit_is_not_sent_and_the_machine_goes_on_waiting() {
    let secret = secret(7);
    let (host, at) = host(&secret);
    let mut progress = host.progress(secret.id()).expect("open");
    let (_waiting, _) = join(at, &secret).await.expect("heard");
    reach(&mut progress, "asked").await;
    let huge = Decision::Answer(Zeroizing::new(vec![0; ANSWER_MAX + 1]));
    let refused = host.decide(secret.id(), huge);
    assert_eq!(refused, Err(DecideError::TooLong(ANSWER_MAX + 1)));
    let small = Decision::Answer(Zeroizing::new(vec![0; 10]));
    assert_eq!(host.decide(secret.id(), small), Ok(()));
}

#[tokio::test]
async fn a_machine_does_not_take_an_answer_that_announces_more_than_the_limit() {
    let (mut node, mut machine) = futures_pair();
    let mut head = vec![1];
    head.extend(u32::MAX.to_be_bytes());
    futures::AsyncWriteExt::write_all(&mut node, &head)
        .await
        .expect("room");
    let heard = talk::hear(&mut machine).await;
    assert_eq!(
        heard.err().map(|error| error.kind()),
        Some(std::io::ErrorKind::InvalidData)
    );
}

type Pipe = tokio_util::compat::Compat<tokio::io::DuplexStream>;

fn futures_pair() -> (Pipe, Pipe) {
    use tokio_util::compat::TokioAsyncReadCompatExt as _;
    let (one, other) = tokio::io::duplex(1 << 16);
    (one.compat(), other.compat())
}

#[tokio::test(start_paused = true)]
async fn a_node_that_falls_silent_is_given_up() {
    let (_node, mut machine) = futures_pair();
    let begun = Instant::now();
    let heard = talk::hear(&mut machine).await;
    assert_eq!(
        heard.err().map(|error| error.kind()),
        Some(std::io::ErrorKind::TimedOut)
    );
    assert!(begun.elapsed() <= SILENCE_MAX + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_the_admin_for_more_than_five_minutes_and_hears_a_pulse_until_then() {
    let (mut node, mut machine) = futures_pair();
    let (_undecided, decision) = tokio::sync::oneshot::channel();
    let begun = Instant::now();
    let listening = tokio::spawn(async move {
        let mut pulses = 0;
        while let Ok(talk::Heard::StillWaiting) = talk::hear(&mut machine).await {
            pulses += 1;
        }
        pulses
    });
    let waited = host::wait(&mut node, decision).await;
    assert!(matches!(waited, host::Waited::Undecided), "{waited:?}");
    assert_eq!(begun.elapsed(), DECISION_MAX);
    drop(node);
    let pulses = listening.await.expect("it listened");
    assert!((30..=31).contains(&pulses), "{pulses}");
}

#[tokio::test]
async fn an_expired_invitation_closes_the_port() {
    let secret = secret(7);
    let host = Host::new(ANYWHERE, &NODE);
    let short = ticket(&secret, Duration::from_millis(50));
    let at = host.open(short).expect("a free port");
    let mut progress = host.progress(secret.id()).expect("open");
    reach(&mut progress, "expired").await;
    let begun = Instant::now();
    while host.bound().is_some() {
        assert!(begun.elapsed() < Duration::from_secs(20), "still listening");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(TcpStream::connect(at).await.is_err());
}

#[tokio::test]
async fn a_cancelled_invitation_closes_the_port_and_another_opens_it_again() {
    let listener = TcpListener::bind(ANYWHERE).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let host = Host::new(address, &NODE);
    for n in 1..=3 {
        let secret = secret(n);
        host.open(ticket(&secret, QUARTER)).expect("free again");
        let mut progress = host.progress(secret.id()).expect("open");
        host.cancel(secret.id());
        reach(&mut progress, "withdrawn").await;
    }
}

#[tokio::test]
async fn a_machine_that_waits_is_refused_when_its_invitation_is_cancelled() {
    let secret = secret(7);
    let (host, at) = host(&secret);
    let mut progress = host.progress(secret.id()).expect("open");
    let (mut waiting, _) = join(at, &secret).await.expect("heard");
    reach(&mut progress, "asked").await;
    host.cancel(secret.id());
    let refused = waiting.answer().await.expect_err("not let in");
    assert!(
        matches!(refused, JoinError::TurnedAway(TurnedAway::Declined)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn no_more_invitations_are_open_than_a_listener_tries() {
    let host = Host::new(ANYWHERE, &NODE);
    for n in 0..32 {
        host.open(ticket(&secret(n), QUARTER)).expect("room");
    }
    let over = host.open(ticket(&secret(32), QUARTER));
    assert!(matches!(over, Err(OpenError::Full)), "{over:?}");
    let again = host.open(ticket(&secret(3), QUARTER));
    assert!(matches!(again, Err(OpenError::AlreadyOpen)), "{again:?}");
}

#[tokio::test]
async fn an_invitation_that_was_used_makes_room_for_the_next() {
    let host = Host::new(ANYWHERE, &NODE);
    let mut bound = None;
    for n in 0..32 {
        bound = Some(host.open(ticket(&secret(n), QUARTER)).expect("room"));
    }
    let mut progress = host.progress(secret(5).id()).expect("open");
    let (mut waiting, _) = join(bound.expect("a port"), &secret(5))
        .await
        .expect("heard");
    reach(&mut progress, "asked").await;
    host.decide(secret(5).id(), Decision::Refuse)
        .expect("somebody waits");
    waiting.answer().await.expect_err("not let in");
    reach(&mut progress, "declined").await;
    host.open(ticket(&secret(32), QUARTER)).expect("room again");
    let over = host.open(ticket(&secret(33), QUARTER));
    assert!(matches!(over, Err(OpenError::Full)), "{over:?}");
}

#[tokio::test]
async fn of_several_addresses_the_one_that_answers_is_used() {
    let secret = secret(7);
    let (_host, at) = host(&secret);
    let closed = TcpListener::bind(ANYWHERE).await.expect("a free port");
    let nobody = closed.local_addr().expect("bound");
    drop(closed);
    let dialled = dial(&[nobody, at], &NEWCOMER, &secret.psk()).await;
    assert_eq!(dialled.expect("heard").node, public_half(&NODE));
    let none = dial(&[], &NEWCOMER, &secret.psk()).await.err();
    assert!(matches!(none, Some(JoinError::NoAddress)), "{none:?}");
    let alone = dial(&[nobody], &NEWCOMER, &secret.psk()).await.err();
    assert!(
        matches!(alone, Some(JoinError::Unreachable { .. })),
        "{alone:?}"
    );
}

#[test]
fn a_request_fits_its_bound() {
    let key = SigningKey::from_seed(&[9; 32]);
    let longest = EnrolmentRequest {
        version: VERSION,
        device: key.id().as_device(),
        noise_key: public_half(&NEWCOMER),
        name: name(&"x".repeat(64)),
        address: Some("x".repeat(crate::domain::enrol::ADDRESS_MAX)),
        invitation: Some(secret(1).id()),
        binding: Some(crate::domain::id::Hash::ZERO),
        made_at: NOON,
        web_key: Some([4; 65]),
    };
    assert!(codec::encode(&longest.sign(None, &key)).len() <= REQUEST_MAX);
}
