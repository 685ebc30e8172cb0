//! The libp2p swarm, discovery and the address book. Everything above speaks of devices.
