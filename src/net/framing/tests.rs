use futures::future::poll_fn;
use futures::io::Cursor;
use futures::{AsyncReadExt as _, AsyncWriteExt as _, FutureExt as _};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use super::*;
use crate::domain::time::WallTime;

fn beat(n: u64) -> Frame {
    Frame::Beat { now: WallTime(n) }
}

fn framed(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        let frame = frame.encode();
        bytes.extend_from_slice(&(frame.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&frame);
    }
    bytes
}

async fn read_all<S: AsyncRead + Unpin>(mut stream: S) -> (Vec<Frame>, ReadError) {
    let mut reader = Reader::new();
    let mut frames = Vec::new();
    loop {
        match poll_fn(|cx| reader.poll_frame(&mut stream, cx)).await {
            Ok(frame) => frames.push(frame),
            Err(error) => return (frames, error),
        }
    }
}

fn large(n: usize) -> Frame {
    let line = crate::wire::SpaceDigest {
        tag: u64::MAX,
        digest: u64::MAX,
    };
    Frame::Spaces {
        digests: vec![line; n],
        more: false,
    }
}

#[tokio::test]
async fn frames_come_out_as_they_went_in_however_the_bytes_are_cut() {
    let frames: Vec<_> = (0..9_000)
        .map(beat)
        .chain([large(1024), beat(1), large(1000)])
        .collect();
    let bytes = framed(&frames);
    for pipe in [1, 7, 4096, 1 << 20] {
        let (near, far) = tokio::io::duplex(pipe);
        let mut near = near.compat();
        let sent = bytes.clone();
        let writing = tokio::spawn(async move { near.write_all(&sent).await });
        let (read, end) = read_all(far.compat()).await;
        writing.await.unwrap().unwrap();
        assert!(matches!(end, ReadError::End), "{end:?}");
        assert!(read == frames, "pipe of {pipe}");
    }
}

#[tokio::test]
async fn a_length_beyond_the_limit_is_refused_before_anything_is_read_for_it() {
    for len in [FRAME_MAX as u32 + 1, u32::MAX] {
        let mut bytes = framed(&[beat(1)]);
        bytes.extend_from_slice(&len.to_be_bytes());
        let mut stream = Cursor::new(bytes);
        let mut reader = Reader::new();
        let mut next = || poll_fn(|cx| reader.poll_frame(&mut stream, cx)).now_or_never();
        assert!(matches!(next(), Some(Ok(_))));
        assert!(matches!(next(), Some(Err(ReadError::Malformed))));
        assert_eq!(reader.buffer.len(), CHUNK);
    }
}

#[tokio::test]
async fn a_frame_that_does_not_decode_ends_the_stream() {
    let (frames, end) = read_all(Cursor::new(b"\0\0\0\x01\xff".to_vec())).await;
    assert!(frames.is_empty() && matches!(end, ReadError::Malformed));
}

#[tokio::test]
async fn an_end_in_the_middle_of_a_frame_is_no_good_end() {
    let mut bytes = framed(&[beat(1)]);
    bytes.pop();
    let (frames, end) = read_all(Cursor::new(bytes)).await;
    assert!(frames.is_empty() && matches!(end, ReadError::Io));
}

#[tokio::test]
async fn what_a_large_frame_took_is_given_back() {
    let mut stream = Cursor::new(framed(&[large(1024), beat(1)]));
    let mut reader = Reader::new();
    reader.buffer = vec![0; FRAME_MAX];
    for _ in 0..2 {
        poll_fn(|cx| reader.poll_frame(&mut stream, cx))
            .await
            .unwrap();
    }
    let _end = poll_fn(|cx| reader.poll_frame(&mut stream, cx)).await;
    assert_eq!(reader.buffer.capacity(), CHUNK);
}

#[tokio::test]
async fn what_is_queued_leaves_in_order_and_a_finished_queue_is_reported_when_all_is_sent() {
    let outbox = Outbox::default();
    let (near, far) = tokio::io::duplex(64);
    let frames: Vec<_> = (0..100).map(beat).collect();
    for frame in &frames {
        outbox.push(&frame.encode()).unwrap();
    }
    outbox.finish();
    let writing = tokio::spawn(async move {
        let mut near = near.compat();
        let mut writer = Writer::default();
        let sent = poll_fn(|cx| writer.poll_send(&outbox, &mut near, cx))
            .await
            .unwrap();
        near.close().await.unwrap();
        (sent, writer.carried())
    });
    let mut bytes = Vec::new();
    far.compat().read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, framed(&frames));
    assert_eq!(writing.await.unwrap(), (Sent::Everything, 1));
}
