//! The handle that faces use to reach the running node.

use tokio::sync::{broadcast, mpsc, oneshot};

use super::engine::{Changed, Command, Reply};

/// Commands that may wait for the engine; more make the asker wait.
///
/// 4,096 let a pipelined writer keep the disk busy without holding much memory.
const COMMANDS_MAX: usize = 4096;

/// Hints that a slow face may fall behind by; beyond that it is told to look at everything again.
const HINTS_MAX: usize = 4096;

/// A command and where its reply goes.
pub(super) type Asked = (Command, oneshot::Sender<Reply>);

/// Reaches the running node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Asked>,
    hints: broadcast::Sender<Changed>,
}

/// The node is not running any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node has stopped")]
pub struct NodeStopped;

impl Handle {
    /// A handle and the runner's ends of its queues.
    pub(super) fn new() -> (Self, mpsc::Receiver<Asked>, broadcast::Sender<Changed>) {
        let (commands, asked) = mpsc::channel(COMMANDS_MAX);
        let (hints, _) = broadcast::channel(HINTS_MAX);
        (
            Self {
                commands,
                hints: hints.clone(),
            },
            asked,
            hints,
        )
    }

    /// A handle to no node: `answer` answers in its place, and leaves waiting whom it has nothing for.
    #[cfg(test)]
    pub(crate) fn answered_by(answer: impl Fn(&Command) -> Option<Reply> + Send + 'static) -> Self {
        let (handle, mut asked, _) = Self::new();
        tokio::spawn(async move {
            let mut waiting = Vec::new();
            while let Some((command, reply)) = asked.recv().await {
                match answer(&command) {
                    // Who has given up does not need it.
                    Some(answer) => drop(reply.send(answer)),
                    None => waiting.push(reply),
                }
            }
        });
        handle
    }

    /// Asks the engine and waits for its reply.
    ///
    /// A reply that says "done" or "posted" means durable on this node's disk. Once the command is
    /// queued, dropping the future does not undo it.
    pub async fn ask(&self, command: Command) -> Result<Reply, NodeStopped> {
        let (reply, answer) = oneshot::channel();
        self.commands
            .send((command, reply))
            .await
            .map_err(|_| NodeStopped)?;
        answer.await.map_err(|_| NodeStopped)
    }

    /// The same for whoever must not keep the node running.
    pub(super) fn weak(&self) -> WeakHandle {
        WeakHandle(self.commands.downgrade())
    }

    /// Hints of what changed, from this moment on. They never carry contents.
    pub fn hints(&self) -> broadcast::Receiver<Changed> {
        self.hints.subscribe()
    }
}

/// Reaches a node as long as somebody else holds a [`Handle`].
#[derive(Clone)]
pub(super) struct WeakHandle(mpsc::WeakSender<Asked>);

impl WeakHandle {
    /// Asks the engine and waits for its reply.
    pub(super) async fn ask(&self, command: Command) -> Result<Reply, NodeStopped> {
        let commands = self.0.upgrade().ok_or(NodeStopped)?;
        let (reply, answer) = oneshot::channel();
        let sent = commands.send((command, reply)).await;
        drop(commands);
        sent.map_err(|_| NodeStopped)?;
        answer.await.map_err(|_| NodeStopped)
    }
}
