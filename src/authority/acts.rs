//! What admins do, each in one call: the ids, numbers, times and codes that an act needs are filled in.

use std::cmp::Reverse;
use std::time::Duration;

use crate::domain::cert::{self, Certificate, Grant, SKEW, Scopes};
use crate::domain::enrol::SharedMeshKey;
use crate::domain::id::{AdminId, AuthorId, DeviceId, InvitationId, RoomId, Serial, StaffId};
use crate::domain::invitation::{InvitationSecret, SignInSecret};
use crate::domain::log::Segment;
use crate::domain::name::Name;
use crate::domain::policy::Policy;
use crate::domain::renewal;
use crate::domain::sign::Signed;
use crate::domain::statement::{
    Act, History, Invitation, LogEnd, Proposal, Revocation, Role, SignInCode, StaffFacts,
    StatementId,
};
use crate::domain::time::WallTime;

use super::directory::new_key;
use super::draft::SignError;
use super::keyfile::Holder;
use super::mesh_keys::{self, MeshKeys};
use super::passphrase::{Cost, Passphrase};
use super::web_ca::WebCa;
use super::{Authority, AuthorityError};

/// Most logs that one statement of a revocation names: the largest lines of so many are two thirds of
/// what a statement may weigh.
const ENDS_AT_ONCE: usize = 256;

/// Most logs that a revocation names in all its statements.
///
/// Those of the last months of a busy node; together they fit into one request to a node.
const ENDS_NAMED_MAX: usize = 8 * ENDS_AT_ONCE;

/// How long a one-time sign-in code is good for.
///
/// A day: it is handed over on the shift it was made in, or made again.
pub const SIGN_IN_LIFE: Duration = Duration::from_secs(24 * 3600);

/// An admin to be appointed.
#[derive(Clone, Debug)]
pub struct NewAdmin {
    /// Their name.
    pub name: Name,
    /// What they may sign.
    pub scopes: Scopes,
    /// When the grant ends.
    pub not_after: WallTime,
    /// The mesh keys, of an admin already there ([`Authority::mesh_keys`]) or of a running node, so that
    /// they can enrol.
    pub mesh_keys: Vec<SharedMeshKey>,
    /// The web CA of an admin already there ([`Authority::web_ca`]), so that the nodes they enrol can
    /// serve browsers.
    pub web_ca: Option<WebCa>,
}

/// What became of something made by an act: its id or secret, and the statement to give to a node.
#[derive(Debug)]
pub struct Changed<T> {
    /// What was made.
    pub made: T,
    /// The statement.
    pub segment: Segment,
}

/// What became of a change of policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It holds.
    InForce,
    /// Another admin has to approve it.
    Proposed(StatementId),
}

impl Authority {
    /// The root appoints an admin, whose key file is made in this directory.
    pub fn grant_admin(
        &mut self,
        new: NewAdmin,
        passphrase: &Passphrase,
        cost: Cost,
        now: WallTime,
    ) -> Result<Changed<AdminId>, AuthorityError> {
        self.check_mesh_keys(&new.mesh_keys)?;
        let key = new_key(&mut *self.rng.0);
        let admin = key.id().as_admin();
        let act = self.grant(admin, new.name.clone(), new.scopes, new.not_after);
        let segment = self.draft(act, now)?;
        let holder = Holder::Admin { name: new.name };
        let clinic = self.clinic_id();
        self.directory.create_key(
            holder.clone(),
            clinic,
            &key,
            passphrase,
            cost,
            &mut *self.rng.0,
        )?;
        let mut keys = MeshKeys::new();
        mesh_keys::keep(&mut keys, &new.mesh_keys, &[]);
        self.directory
            .save_mesh_keys(&holder, clinic, &key, &keys, &mut *self.rng.0)?;
        if let Some(web_ca) = &new.web_ca {
            self.directory
                .save_web_ca(&holder, clinic, &key, web_ca, &mut *self.rng.0)?;
        }
        let segment = self.commit(segment)?;
        let made = admin;
        Ok(Changed { made, segment })
    }

    /// The root appoints an admin whose key was made elsewhere
    /// ([`create_admin_key`](super::create_admin_key)).
    pub fn grant_admin_key(
        &mut self,
        admin: AdminId,
        name: Name,
        scopes: Scopes,
        not_after: WallTime,
        now: WallTime,
    ) -> Result<Segment, AuthorityError> {
        let act = self.grant(admin, name, scopes, not_after);
        self.sign(act, now)
    }

    fn grant(&self, admin: AdminId, name: Name, scopes: Scopes, not_after: WallTime) -> Act {
        let clinic = self.clinic_id();
        let grant = Grant {
            version: cert::VERSION,
            clinic,
            admin,
            name,
            scopes,
            not_after,
        };
        Act::AdminGranted {
            grant: Signed::new(&grant, &clinic, &self.key),
        }
    }

    /// The root removes an admin; what counts of their statements is up to `last`, or all that is
    /// known here.
    pub fn end_admin(
        &mut self,
        admin: AdminId,
        last: Option<u64>,
        now: WallTime,
    ) -> Result<Segment, AuthorityError> {
        let known = self.record.head(&AuthorId::from(admin)).seq;
        let last = last.unwrap_or(known);
        self.sign(Act::AdminEnded { admin, last }, now)
    }

    /// Certifies a device anew from now on, with its keys and the rights an admin gave it last.
    pub fn renew_device(
        &mut self,
        device: DeviceId,
        now: WallTime,
    ) -> Result<(WallTime, Segment), AuthorityError> {
        let Some(known) = self.clinic.devices.get(&device) else {
            return Err(unknown("device", device.to_string()));
        };
        let certificate = Certificate {
            serial: Serial::new(self.rng.array()),
            not_before: now.minus(SKEW),
            not_after: now.plus(renewal::LIFE),
            ..known.certificate.clone()
        };
        let act = Act::DeviceEnrolled {
            certificate: Signed::new(&certificate, &self.clinic_id(), &self.key),
            invitation: None,
            address: known.address.clone(),
        };
        Ok((certificate.not_after, self.sign(act, now)?))
    }

    /// Removes a device for good. `ends` are the heads of its logs as nodes hold them.
    ///
    /// As many statements as it takes to name them, the first with the logs of its last start: a log
    /// begins with every start of a node, so one that has run for months has more than one statement
    /// holds. The oldest of more than 2,048 are not named and end by the time of the
    /// revocation.
    pub fn revoke_device(
        &mut self,
        device: DeviceId,
        mut ends: Vec<LogEnd>,
        now: WallTime,
    ) -> Result<Vec<Segment>, AuthorityError> {
        let found = self.clinic.devices.get(&device);
        let Some(certificate) = found.map(|found| &found.certificate) else {
            return Err(unknown("device", device.to_string()));
        };
        let revocation = Revocation {
            device,
            serial: certificate.serial,
            noise_key: certificate.noise_key,
            ends: Vec::new(),
            at: now,
        };
        ends.sort_by_key(|end| (Reverse(end.epoch), *end));
        ends.dedup();
        ends.truncate(ENDS_NAMED_MAX);
        let mut parts: Vec<Vec<LogEnd>> = ends.chunks(ENDS_AT_ONCE).map(<[_]>::to_vec).collect();
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        let revocations = parts.into_iter().map(|mut ends| {
            ends.sort();
            let revocation = Revocation {
                ends,
                ..revocation.clone()
            };
            self.sign(Act::DeviceRevoked { revocation }, now)
        });
        revocations.collect()
    }

    /// Adds a staff member, with a one-time code to set a password with.
    pub fn add_staff(
        &mut self,
        name: Name,
        roles: Vec<Role>,
        homes: Vec<Name>,
        now: WallTime,
    ) -> Result<Changed<(StaffId, SignInSecret)>, AuthorityError> {
        let staff = StaffId::new(self.rng.array());
        let (secret, sign_in) = self.sign_in_code(staff, now);
        let facts = facts(name, roles, homes, Some(sign_in));
        let segment = self.sign(Act::StaffAdded { staff, facts }, now)?;
        let made = (staff, secret);
        Ok(Changed { made, segment })
    }

    /// Replaces what is said of a staff member; an unused sign-in code stops working.
    pub fn change_staff(
        &mut self,
        staff: StaffId,
        name: Name,
        roles: Vec<Role>,
        homes: Vec<Name>,
        now: WallTime,
    ) -> Result<Segment, AuthorityError> {
        let facts = facts(name, roles, homes, None);
        let lifts = Vec::new();
        self.sign(
            Act::StaffChanged {
                staff,
                facts,
                lifts,
            },
            now,
        )
    }

    /// Hands out another one-time code, for a forgotten password.
    pub fn reset_sign_in(
        &mut self,
        staff: StaffId,
        now: WallTime,
    ) -> Result<Changed<SignInSecret>, AuthorityError> {
        let (made, sign_in) = self.sign_in_code(staff, now);
        let mut facts = self.facts_of(staff)?;
        facts.sign_in = Some(sign_in);
        let lifts = Vec::new();
        let segment = self.sign(
            Act::StaffChanged {
                staff,
                facts,
                lifts,
            },
            now,
        )?;
        Ok(Changed { made, segment })
    }

    /// Keeps a staff member from signing in.
    pub fn suspend_staff(
        &mut self,
        staff: StaffId,
        now: WallTime,
    ) -> Result<Segment, AuthorityError> {
        self.sign(Act::StaffSuspended { staff }, now)
    }

    /// Lifts every suspension of a staff member that is known here.
    pub fn reinstate_staff(
        &mut self,
        staff: StaffId,
        now: WallTime,
    ) -> Result<Segment, AuthorityError> {
        let mut facts = self.facts_of(staff)?;
        facts.sign_in = None;
        let lifts = self.suspensions_of(staff);
        self.sign(
            Act::StaffChanged {
                staff,
                facts,
                lifts,
            },
            now,
        )
    }

    fn suspensions_of(&self, staff: StaffId) -> Vec<StatementId> {
        let mut found: Vec<StatementId> = self
            .record
            .items()
            .filter(|item| item.statement.act == Act::StaffSuspended { staff })
            .map(|item| item.id)
            .collect();
        found.sort();
        found
    }

    fn facts_of(&self, staff: StaffId) -> Result<StaffFacts, AuthorityError> {
        let member = self.clinic.staff.get(&staff);
        let member = member.ok_or_else(|| unknown("staff member", staff.to_string()))?;
        Ok(member.facts.clone())
    }

    fn sign_in_code(&mut self, staff: StaffId, now: WallTime) -> (SignInSecret, SignInCode) {
        let secret = SignInSecret::new(self.rng.array());
        let code = SignInCode {
            hash: secret.hash(staff),
            expires: now.plus(SIGN_IN_LIFE),
        };
        (secret, code)
    }

    /// Makes a named room.
    pub fn create_room(
        &mut self,
        name: Name,
        history: History,
        members: Vec<StaffId>,
        now: WallTime,
    ) -> Result<Changed<RoomId>, AuthorityError> {
        let room = RoomId::new(self.rng.array());
        let act = Act::RoomCreated {
            room,
            name,
            history,
            members: sorted(members),
        };
        let segment = self.sign(act, now)?;
        let made = room;
        Ok(Changed { made, segment })
    }

    /// Changes who is in a room.
    pub fn change_members(
        &mut self,
        room: RoomId,
        add: Vec<StaffId>,
        remove: Vec<StaffId>,
        now: WallTime,
    ) -> Result<Segment, AuthorityError> {
        let act = Act::MembersChanged {
            room,
            add: sorted(add),
            remove: sorted(remove),
        };
        self.sign(act, now)
    }

    /// Replaces the policy; its version becomes the next one.
    pub fn set_policy(
        &mut self,
        mut policy: Policy,
        now: WallTime,
    ) -> Result<Segment, AuthorityError> {
        policy.version = self.clinic.policy.next_version();
        self.sign(Act::PolicySet { policy }, now)
    }

    /// Replaces the policy, or proposes to where that takes a second admin; its version becomes the
    /// next one.
    pub fn change_policy(
        &mut self,
        mut policy: Policy,
        now: WallTime,
    ) -> Result<Changed<Standing>, AuthorityError> {
        if !self.clinic.policy.needs_second_admin(&policy) {
            let made = Standing::InForce;
            let segment = self.set_policy(policy, now)?;
            return Ok(Changed { made, segment });
        }
        policy.version = self.clinic.policy.next_version();
        let proposal = Proposal::Policy { policy };
        let segment = self.sign(Act::Proposed { proposal }, now)?;
        let made = Standing::Proposed(StatementId {
            author: self.id(),
            seq: segment.first,
        });
        Ok(Changed { made, segment })
    }

    /// Approves what another admin has proposed; with this it is in force.
    pub fn approve_proposal(
        &mut self,
        proposal: StatementId,
        now: WallTime,
    ) -> Result<Segment, AuthorityError> {
        let said = self.clinic.pending.get(&proposal);
        let said = said.ok_or_else(|| unknown("pending proposal", proposal.seq.to_string()))?;
        let digest = said.digest(&self.clinic_id(), proposal);
        self.sign(Act::Approved { proposal, digest }, now)
    }

    /// Invites a device. The secret's code is read out to whoever sets the machine up.
    pub fn invite(
        &mut self,
        office: Name,
        name: Name,
        kind: cert::DeviceKind,
        life: Duration,
        now: WallTime,
    ) -> Result<Changed<InvitationSecret>, AuthorityError> {
        let made = InvitationSecret::new(self.rng.array());
        let invitation = Invitation {
            id: made.id(),
            commitment: made.commitment(),
            office,
            name,
            kind,
            expires: now.plus(life),
        };
        let segment = self.sign(Act::InvitationIssued { invitation }, now)?;
        Ok(Changed { made, segment })
    }

    /// Takes an invitation back.
    pub fn withdraw_invitation(
        &mut self,
        invitation: InvitationId,
        now: WallTime,
    ) -> Result<Segment, AuthorityError> {
        let by = None;
        self.sign(Act::InvitationUsed { invitation, by }, now)
    }
}

fn facts(
    name: Name,
    roles: Vec<Role>,
    homes: Vec<Name>,
    sign_in: Option<SignInCode>,
) -> StaffFacts {
    StaffFacts {
        name,
        roles: sorted(roles),
        homes: sorted(homes),
        sign_in,
    }
}

/// Sorted without repetition, as statements want it.
fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items.dedup();
    items
}

fn unknown(what: &'static str, id: String) -> AuthorityError {
    SignError::Unknown { what, id }.into()
}
