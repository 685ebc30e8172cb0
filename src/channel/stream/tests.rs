use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

use super::*;
use crate::channel::fixture::noise_key;
use crate::channel::noise::{self, Side};

/// The transport keys of a finished handshake.
fn keys() -> (TransportState, TransportState) {
    let start = |side, n| noise::start(side, &noise_key(n), &[1; 32], b"stream").unwrap();
    let (mut one, mut other) = (start(Side::Initiator, 1), start(Side::Responder, 2));
    let (mut message, mut payload) = ([0; 256], [0; 256]);
    for turn in 0..3 {
        let (from, to) = if turn % 2 == 0 {
            (&mut one, &mut other)
        } else {
            (&mut other, &mut one)
        };
        let n = from.write_message(&[], &mut message).unwrap();
        to.read_message(&message[..n], &mut payload).unwrap();
    }
    (
        one.into_transport_mode().unwrap(),
        other.into_transport_mode().unwrap(),
    )
}

type Stream = SecureStream<Compat<DuplexStream>>;

/// Both ends of one stream, with so much room between them.
fn pair(room: usize) -> (Stream, Stream) {
    let (one, other) = tokio::io::duplex(room);
    let (ours, theirs) = keys();
    (
        SecureStream::new(one.compat(), ours),
        SecureStream::new(other.compat(), theirs),
    )
}

/// One end of a stream, and the bare wire.
fn end(room: usize) -> (Stream, DuplexStream, TransportState) {
    let (one, other) = tokio::io::duplex(room);
    let (ours, theirs) = keys();
    (SecureStream::new(one.compat(), ours), other, theirs)
}

fn why(error: io::Error) -> StreamError {
    *error.get_ref().unwrap().downcast_ref().unwrap()
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + n / 251) as u8).collect()
}

#[tokio::test]
async fn bytes_arrive_whole_and_in_order_whatever_the_sizes() {
    for (room, write, read) in [
        (1, 1000, 4096),
        (100, 1, 1),
        (1 << 16, PLAIN_MAX, 1 << 17),
        (1 << 20, 3 * PLAIN_MAX + 17, PLAIN_MAX),
        (1 << 16, 40_000, 65_535),
        (1 << 18, 40_000, 13),
        (1 << 18, 100, 1 << 17),
    ] {
        let (mut from, mut to) = pair(room);
        let sent = pattern(write * if write < 5000 { 3 } else { 20 });
        let send = async {
            for chunk in sent.chunks(write) {
                from.write_all(chunk).await.unwrap();
            }
            from.close().await.unwrap();
        };
        let receive = async {
            let (mut got, mut buffer) = (Vec::new(), vec![0; read]);
            loop {
                match to.read(&mut buffer).await.unwrap() {
                    0 => return got,
                    n => got.extend_from_slice(&buffer[..n]),
                }
            }
        };
        let ((), got) = tokio::join!(send, receive);
        assert!(got == sent, "room {room}, write {write}, read {read}");
    }
}

#[tokio::test]
async fn both_directions_flow_at_once() {
    let (mut one, mut other) = pair(50);
    let text = pattern(100_000);
    let talk = |end: &mut Stream, text: Vec<u8>| {
        let end = std::mem::replace(end, pair(1).0);
        async move {
            let (mut reader, mut writer) = end.split();
            let write = async {
                writer.write_all(&text).await.unwrap();
                writer.flush().await.unwrap();
            };
            let mut got = vec![0; text.len()];
            let (_, read) = tokio::join!(write, reader.read_exact(&mut got));
            read.unwrap();
            assert!(got == text);
        }
    };
    tokio::join!(talk(&mut one, text.clone()), talk(&mut other, text));
}

#[tokio::test]
async fn small_writes_share_a_frame_until_the_flush() {
    let (mut stream, mut bare, _) = end(1 << 17);
    for _ in 0..100 {
        stream.write_all(b"0123456789").await.unwrap();
    }
    stream.flush().await.unwrap();
    drop(stream);
    let mut wire = Vec::new();
    bare.read_to_end(&mut wire).await.unwrap();
    assert_eq!(wire.len(), PREFIX + 1000 + TAG);
    assert_eq!(wire[..2], 1016_u16.to_be_bytes());
}

#[tokio::test]
async fn nothing_on_the_wire_is_what_was_written() {
    let (mut stream, mut bare, _) = end(1 << 20);
    stream.write_all(&[0x41; 200_000]).await.unwrap();
    stream.close().await.unwrap();
    let mut wire = Vec::new();
    bare.read_to_end(&mut wire).await.unwrap();
    assert!(!wire.windows(4).any(|bytes| bytes == [0x41; 4]));
}

#[tokio::test]
async fn an_end_without_the_last_frame_is_a_cut_and_not_an_end() {
    for keep in [0, 1, 5, 30] {
        let (mut stream, mut bare, mut keys) = end(1 << 17);
        let mut frame = [0; PREFIX + 20 + TAG];
        Outbound::seal(&mut frame, &mut keys, &[7; 20]).unwrap();
        bare.write_all(&frame[..keep]).await.unwrap();
        drop(bare);
        let error = stream.read(&mut [0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(why(error), StreamError::Cut);
    }
}

#[tokio::test]
async fn after_the_last_frame_there_is_nothing_and_nothing_can_be_written() {
    let (mut from, mut to) = pair(1 << 17);
    from.write_all(b"bye").await.unwrap();
    from.close().await.unwrap();
    from.close().await.unwrap();
    assert_eq!(
        why(from.write(b"x").await.unwrap_err()),
        StreamError::Closed
    );
    let mut got = Vec::new();
    to.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"bye");
    assert_eq!(to.read(&mut [0; 9]).await.unwrap(), 0);
    to.write_all(b"the other direction is still open")
        .await
        .unwrap();
    to.flush().await.unwrap();
    let mut got = [0; 33];
    from.read_exact(&mut got).await.unwrap();
}

#[tokio::test]
async fn a_damaged_frame_ends_the_stream_for_good() {
    let (mut stream, mut bare, mut keys) = end(1 << 17);
    let mut frames = Vec::new();
    for text in [b"first", b"again", b"third"] {
        let mut frame = [0; PREFIX + 5 + TAG];
        Outbound::seal(&mut frame, &mut keys, text).unwrap();
        frames.push(frame);
    }
    frames[1][9] ^= 1;
    bare.write_all(&frames.concat()).await.unwrap();
    let mut got = [0; 5];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"first");
    for _ in 0..3 {
        let error = stream.read(&mut [0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(why(error), StreamError::Tampered);
    }
    assert_eq!(
        why(stream.write(b"x").await.unwrap_err()),
        StreamError::Tampered
    );
    assert_eq!(
        why(stream.flush().await.unwrap_err()),
        StreamError::Tampered
    );
    assert_eq!(
        why(stream.close().await.unwrap_err()),
        StreamError::Tampered
    );
}

#[tokio::test]
async fn a_repeated_or_reordered_frame_ends_the_stream() {
    for order in [[0, 0], [1, 0]] {
        let (mut stream, mut bare, mut keys) = end(1 << 17);
        let frames = [b"first", b"again"].map(|text| {
            let mut frame = [0; PREFIX + 5 + TAG];
            Outbound::seal(&mut frame, &mut keys, text).unwrap();
            frame
        });
        bare.write_all(&[frames[order[0]], frames[order[1]]].concat())
            .await
            .unwrap();
        let mut got = Vec::new();
        let error = stream.read_to_end(&mut got).await.unwrap_err();
        assert_eq!(why(error), StreamError::Tampered);
    }
}

#[tokio::test]
async fn a_frame_too_short_for_its_tag_is_malformed() {
    for len in 0..TAG {
        let (mut stream, mut bare, _) = end(1 << 17);
        bare.write_all(&(len as u16).to_be_bytes()).await.unwrap();
        bare.write_all(&vec![0; len]).await.unwrap();
        let error = stream.read(&mut [0; 100]).await.unwrap_err();
        assert_eq!(why(error), StreamError::Malformed);
    }
}

#[tokio::test]
async fn a_stream_ends_after_its_frames_in_either_direction() {
    let (mut from, mut to) = pair(1 << 17);
    // Both ends are moved to the last frame; snow has only a setter for what is received.
    while from.noise.sending_nonce() < FRAMES_MAX - 1 {
        let mut frame = [0; TAG];
        from.noise.write_message(&[], &mut frame).unwrap();
    }
    to.noise.set_receiving_nonce(FRAMES_MAX - 1);
    from.write_all(b"last").await.unwrap();
    from.flush().await.unwrap();
    let mut got = [0; 4];
    to.read_exact(&mut got).await.unwrap();

    from.write_all(b"more").await.unwrap();
    let error = from.flush().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    assert_eq!(why(error), StreamError::Worn);

    // A peer that does not keep to it is not listened to.
    let mut frame = [0; PREFIX + 4 + TAG];
    Outbound::seal(&mut frame, &mut from.noise, b"more").unwrap();
    from.io.get_mut().write_all(&frame).await.unwrap();
    assert_eq!(why(to.read(&mut got).await.unwrap_err()), StreamError::Worn);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_after_twelve_hours() {
    let (mut from, mut to) = pair(1 << 17);
    tokio::time::advance(AGE_MAX - Duration::from_secs(1)).await;
    from.write_all(b"last").await.unwrap();
    from.flush().await.unwrap();
    to.read_exact(&mut [0; 4]).await.unwrap();
    from.write_all(b"read too late").await.unwrap();
    from.flush().await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    from.write_all(b"more").await.unwrap();
    assert_eq!(why(from.flush().await.unwrap_err()), StreamError::Old);
    assert_eq!(
        why(to.read(&mut [0; 4]).await.unwrap_err()),
        StreamError::Old
    );
}

#[tokio::test]
async fn a_write_waits_when_the_peer_does_not_read() {
    let (mut from, _to) = pair(1000);
    let sent = pattern(1 << 20);
    let mut write = Box::pin(from.write_all(&sent));
    let stuck = futures::poll!(&mut write);
    assert!(stuck.is_pending(), "no more is taken than the buffers hold");
}
