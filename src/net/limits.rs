//! Every bound of the network in one place, each with its reason.

use std::time::Duration;

/// Established connections at one time.
///
/// 256: more devices than a clinic has, two connections each while one replaces the other.
pub(crate) const ESTABLISHED_MAX: u32 = 256;

/// Connections to one device at one time.
///
/// Two: the one in use and the one that is about to replace it.
pub(crate) const PER_DEVICE_MAX: u32 = 2;

/// Memory of the process above which no connection is accepted or made.
///
/// 70 % of the 512 MiB that a node may use, so that what it already does can go on. The library's
/// tests share one process, whose memory says nothing about a node.
pub(crate) const MEMORY_MAX: usize = if cfg!(test) {
    usize::MAX
} else {
    512 * 1024 * 1024 / 10 * 7
};

/// Streams of one connection at one time.
///
/// 64: one for sync, the rest for files.
pub(crate) const STREAMS_MAX: usize = 64;

/// Dials in flight at one time, each over all addresses of one device.
///
/// Eight: a clinic's offices are all tried within two rounds, and a table of dead addresses does not
/// look like a port scan.
pub(crate) const DIALS_MAX: usize = 8;

/// Addresses of one device tried at the same time.
///
/// Four: discovery gives a device's every interface, of which often one works from here.
pub(crate) const DIAL_BREADTH: u8 = 4;

/// How long a dial may take, connection and handshake together.
///
/// Six seconds: the handshake's own five and one for the connection; an address that swallows packets
/// would hold a place for minutes.
pub(crate) const DIAL_TIME: Duration = Duration::from_secs(6);

/// Bytes that may wait to be sent on one link.
///
/// 8 MiB: sixteen of the largest frames. The engine keeps less than that on the way; a link whose peer
/// takes nothing any more is better cut than fed.
pub(crate) const OUTBOX_MAX: usize = 8 * 1024 * 1024;

/// Events that may wait for the layer above.
///
/// 64: at most that many of the largest frames, 32 MiB. Behind it the links stop reading, and the
/// peers stop sending.
pub(crate) const EVENTS_MAX: usize = 64;

/// Commands that may wait for the network's task, which never waits for anything but the events.
pub(crate) const COMMANDS_MAX: usize = 1024;

/// Events that the network's task holds back while the layer above is busy; behind it no connection
/// makes progress.
pub(crate) const HELD_BACK_MAX: usize = 256;

/// Frames that a link handles before others get a turn.
pub(crate) const TURN: usize = 32;

/// Bytes that a link reads or writes at once.
///
/// 64 KiB: one frame of the secure channel.
pub(crate) const CHUNK: usize = 64 * 1024;

/// How long a link that is being closed may take to send what is queued.
///
/// One second: enough for a last word over any line that works, and short for one that does not.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);

/// How long a connection may be open before its dialler opens the stream.
///
/// Five seconds: the dialler does it at once, or closes the connection because it has a better one.
pub(crate) const UNUSED: Duration = Duration::from_secs(5);

/// Age at which a link is replaced by a fresh one.
///
/// Half an hour before the secure channel's own end, so that the redial comes first.
pub(crate) const LINK_AGE: Duration =
    crate::channel::AGE_MAX.saturating_sub(Duration::from_secs(30 * 60));

/// Frames of the secure channel after which a link is replaced by a fresh one.
///
/// Three quarters of what the channel carries: what it counts is estimated here.
pub(crate) const LINK_FRAMES: u64 = crate::channel::FRAMES_MAX / 4 * 3;

/// How often live connections are judged again although nothing is known to have changed.
///
/// Five seconds: certificates run out by the clock, and a link may not wear out between two looks.
pub(crate) const REVIEW: Duration = Duration::from_secs(5);

/// Addresses kept of one device.
pub(crate) const ADDRESSES_MAX: usize = 16;

/// Discovered instances kept whose device is not known yet.
///
/// 64: whoever floods the LAN with hints pushes out hints only.
pub(crate) const HINTS_MAX: usize = 64;

/// Devices whose addresses are kept.
pub(crate) const DEVICES_MAX: usize = ESTABLISHED_MAX as usize;
