//! The rules that no history may break, by name.

/// A rule: its name and what it says.
pub(crate) type Rule = (&'static str, &'static str);

macro_rules! rules {
    ($($(#[$kind:meta])* $id:ident = $name:literal : $text:literal;)*) => {
        $(#[doc = $text] pub(crate) const $id: &str = $name;)*

        /// Every rule, for the list that the program prints.
        pub(crate) const ALL: &[Rule] = &[$(($name, $text)),*];
    };
}

rules! {
    ACKED_IS_DURABLE = "acked-is-durable":
        "a message is answered with 'sent' only once it is on this disk";
    ACKED_IS_KEPT = "acked-is-kept":
        "what was answered with 'sent' stays on its writer's disk while its days last, unless the space was given up after others attested it";
    AUDIT_WITH_THE_ACT = "audit-with-the-act":
        "every message is in one commit with its audit record";
    AUDIT_BEFORE_READING = "audit-before-reading":
        "a page is answered only once the record of the reading is on this disk";
    ATTESTED_IS_DURABLE = "attested-is-durable":
        "a node attests only what is on its disk";
    SENT_IS_DURABLE = "sent-is-durable":
        "a node sends only entries that are on its disk";
    PURGED_IS_DESTROYED = "purged-is-destroyed":
        "a node attests a purge only once the bodies are destroyed";
    GENUINE = "genuine":
        "a node stores only what its author wrote, under the number the author gave it";
    OWN_NUMBERS = "own-numbers":
        "an author never gives one number to two contents";
    COMMITS_FIT = "commits-fit":
        "a commit follows what the disk holds, and one is under way at a time";
    AUTHORS_MAY_WRITE = "authors-may-write":
        "nothing is stored by an author who was never entitled to write there";
    SPEAKERS_ARE_AT_HOME = "speakers-are-at-home":
        "nothing is stored that a device wrote for a person who was never at home there or never in the conversation";
    HOLDERS_ARE_ENTITLED = "holders-are-entitled":
        "no node stores a space that it was never entitled to";
    ONLY_TO_THE_ENTITLED = "only-to-the-entitled":
        "no entry is sent to a device that was never entitled to its space";
    NOT_BEFORE_JOINING = "not-before-joining":
        "no body from before its people joined is sent to a device, where the room says so";
    NO_EXPIRED_BODY = "no-expired-body":
        "no body whose day is over is stored, sent or shown";
    NOTHING_FROM_THE_FUTURE = "nothing-from-the-future":
        "nothing is stored from further ahead of the node's clock than five minutes";
    NOT_PAST_A_FORK = "not-past-a-fork":
        "a log that a node knows to be forked is stored no further";
    TAKEN_BACK_STAYS_GONE = "taken-back-stays-gone":
        "no body that a node knows to be taken back is stored, sent or shown by it again";
    REVOKED_IS_OUT = "revoked-is-out":
        "a node that knows of a revocation keeps no channel to the device, unless that shows a change of the root key that could undo it";
    NOT_BEYOND_REVOCATION = "not-beyond-revocation":
        "nothing that a revoked device wrote beyond its end is stored or shown by a node that knows";
    RECORD_IS_READ_RIGHT = "record-is-read-right":
        "a node's clinic is what the statements on its disk make: no right, no effect; removal wins; versions do not go back";
    HORIZON_ONLY_GROWS = "horizon-only-grows":
        "the horizon never goes back";
    HORIZON_NOT_AHEAD = "horizon-not-ahead":
        "a day ends only when this node's clock and a peer's agree that it has, or nobody was heard for a day";
    AFTER_WHAT_WAS_SEEN = "after-what-was-seen":
        "what is written comes after everything the node held of the conversation";
    READERS_ARE_MEMBERS = "readers-are-members":
        "a page is answered only to a member at home";
    SAME_LOGS = "same-logs":
        "in the end, everyone entitled holds the same logs";
    ALIVE_BODIES = "alive-bodies":
        "in the end, everyone entitled holds every living body it may see";
    SAME_CLINIC = "same-clinic":
        "in the end, everyone has the same clinic";
    NOBODY_ELSE = "nobody-else":
        "in the end, nobody else holds a space";
    EVERYTHING_READ = "everything-read":
        "in the end, every member reads every living message at every home";
    ATTESTED_IN_FULL = "attested-in-full":
        "in the end, everyone who holds a log has attested it at its author";
    KEYS_ARE_SIGNED_FOR = "keys-are-signed-for":
        "a node stores no mesh key that no admin has signed for";
    MESH_KEYS = "mesh-keys":
        "in the end, everyone has the newest mesh key";
    NO_WORK_LEFT = "no-work-left":
        "in the end, no commit is under way and every command was answered";
    PURGED_IN_THE_END = "purged-in-the-end":
        "in the end, no body is left whose day is over";
    TAKEN_BACK_IN_THE_END = "taken-back-in-the-end":
        "in the end, whoever knows that a message was taken back holds no body of it";
    ONLY_PEERS_TELL = "only-peers-tell":
        "nothing that a device tells of itself is believed while the record does not list what it shows";
    SPOKEN_TO_AS_IT_SPEAKS = "spoken-to-as-it-speaks":
        "a node whose program speaks an older version is sent no frame of a later one";
    TOLD_AS_IT_IS = "told-as-it-is":
        "in the end, every connected node knows of every other how it is";
    HONEST_IS_TRUSTED = "honest-is-trusted":
        "no honest node accuses another of misbehaviour or of a fork";
}

/// A rule was broken.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    /// Which.
    pub(crate) rule: &'static str,
    /// What happened.
    pub(crate) what: String,
}
