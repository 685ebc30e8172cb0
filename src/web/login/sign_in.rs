//! Signing in: throttled before anything is hashed, the same work and words for unknown names, and
//! every attempt in the audit trail before it is answered.

use std::sync::Arc;
use std::time::Duration;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::hashing::{Place, Verdict};
use super::{Beginning, LoginKey, Stage, TurnedOut, turned_out};
use crate::api::login::{LoginRequest, Proof};
use crate::api::problem::{Code, Problem};
use crate::domain::audit::{Actor, AuditRecord, Deed, Origin};
use crate::domain::factor::Credentials;
use crate::domain::id::{StaffId, hex};
use crate::domain::invitation::SignInSecret;
use crate::domain::message::StaffItem;
use crate::domain::password;
use crate::domain::record::Clinic;
use crate::domain::time::WallTime;
use crate::node::engine::CommandRefusal;
use crate::platform::entropy;
use crate::web::access::{Caller, Shown, login_required};
use crate::web::answer::problem_of;
use crate::web::names;
use crate::web::state::Api;

/// How long a one-time code is good for; the statement says when that ends.
const CODE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// One try to sign in.
struct Attempt<'a> {
    api: &'a Api,
    caller: Caller,
    clinic: Arc<Clinic>,
    /// Who that would be, if there is such a person.
    staff: Option<StaffId>,
    place: Place,
}

/// A login that has begun or come further: its token, and how far.
pub(in crate::web) struct Admitted {
    /// What the face shows from here on.
    pub(in crate::web) token: Zeroizing<String>,
    /// Whose.
    pub(in crate::web) staff: StaffId,
    /// How far.
    pub(in crate::web) stage: Stage,
}

/// Signs in as far as the password goes.
pub(in crate::web) async fn sign_in(
    api: &Api,
    caller: Caller,
    request: &LoginRequest,
) -> Result<Admitted, Problem> {
    let proof = request.proof()?;
    let clinic = api.clinic().await?;
    let staff = names::staff(&clinic, &request.name);
    if let Proof::Code { new_password, .. } = proof {
        check_rules(&clinic, &request.name, new_password)?;
    }
    let place = api.hashing().queue()?;
    let name = throttle_name(staff, &request.name);
    book(api, &name, caller)?;
    let attempt = Attempt {
        api,
        caller,
        clinic,
        staff,
        place,
    };
    let (typed, (staff, set)) = match proof {
        Proof::Password(password) => {
            let (staff, set) = attempt.by_password(password).await?;
            (password, (staff, Some(set)))
        }
        Proof::Code { code, new_password } => {
            (new_password, attempt.by_code(code, new_password).await?)
        }
    };
    check_person(api, caller, staff).await?;
    settle(api, &name, caller);
    api.unlocking().keep(api, (staff, set), typed);
    let stage = attempt.stage(staff).await?;
    begin(api, caller, staff, stage).await
}

/// Counts the try as a wrong one until it proves right.
pub(super) fn book(api: &Api, name: &str, caller: Caller) -> Result<(), Problem> {
    api.tries().book(name, caller.address, api.now().wall)
}

/// The try has proven right.
pub(super) fn settle(api: &Api, name: &str, caller: Caller) {
    api.tries().settle(name, caller.address);
}

/// A person is throttled as one whether the name or the id is typed; unknown names each by themselves.
pub(in crate::web) fn throttle_name(staff: Option<StaffId>, typed: &str) -> String {
    staff.map_or_else(|| typed.trim().to_lowercase(), |staff| staff.to_string())
}

/// The password rules, with every name that people around here know.
pub(super) fn check_rules(clinic: &Clinic, own: &str, new_password: &str) -> Result<(), Problem> {
    let offices = clinic
        .devices
        .values()
        .map(|device| device.certificate.office.as_str());
    let clinic_name = clinic.name.as_ref().map(crate::domain::name::Name::as_str);
    let names = std::iter::once(own).chain(clinic_name).chain(offices);
    password::check(new_password, names).map_err(|error| {
        let text = error.to_string();
        let mut parts = text.splitn(2, "; ");
        let problem = Problem::new(Code::Refused, parts.next().unwrap_or_default());
        Problem {
            remedy: parts.next().map(str::to_owned),
            ..problem
        }
    })
}

impl Attempt<'_> {
    /// Whose password it is, and when it was set.
    async fn by_password(&self, typed: &str) -> Result<(StaffId, WallTime), Problem> {
        let stored = self.stored().await?;
        let stored = stored.password().map(|(phc, set)| (phc.to_owned(), set));
        let (stored, set) = stored.unzip();
        let typed = Zeroizing::new(password::normal(typed));
        let verdict = self.api.hashing().verify(&self.place, &typed, stored).await;
        match (verdict, self.staff.zip(set)) {
            (Verdict::Right, Some(found)) => Ok(found),
            _ => Err(self.refuse(Deed::SignedIn).await?),
        }
    }

    /// The new password is hashed whether or not the code is right: the same work for everyone.
    async fn by_code(
        &self,
        code: &str,
        new_password: &str,
    ) -> Result<(StaffId, Option<WallTime>), Problem> {
        let new_password = Zeroizing::new(password::normal(new_password));
        let phc = self.api.hashing().hash(&self.place, &new_password).await?;
        let _one_at_a_time = self.api.first_sign_in().await;
        let Some(staff) = self.staff.filter(|staff| self.code_fits(staff, code)) else {
            return Err(self.refuse(Deed::PasswordSet).await?);
        };
        if self.is_spent(&staff, &self.stored().await?) {
            return Err(self.refuse(Deed::PasswordSet).await?);
        }
        let mut items = vec![StaffItem::Password {
            phc: phc.clone(),
            at: self.api.now().wall,
        }];
        if self.stored().await?.has_factor() {
            // A code from an admin begins the account anew: the phone may be lost as well.
            items.push(StaffItem::FactorsCleared {});
        }
        self.api.keep(staff, items, self.caller.origin()).await?;
        Ok((staff, self.api.password_set(staff, &phc).await?))
    }

    async fn stored(&self) -> Result<Credentials, Problem> {
        // Unknown names ask as well, so that the answer takes as long.
        let staff = self.staff.unwrap_or(StaffId::new([0; 16]));
        self.api.credentials(staff).await
    }

    /// What is still to be shown: browsers always need a second factor; at the socket, which only the
    /// machine's operator reaches, whoever has one shows it.
    async fn stage(&self, staff: StaffId) -> Result<Stage, Problem> {
        let has_factor = self.api.credentials(staff).await?.has_factor();
        Ok(match (has_factor, self.caller.origin()) {
            (true, _) => Stage::Factor,
            (false, Origin::Browser) => Stage::Enrol,
            (false, _) => Stage::Ready,
        })
    }

    fn code_fits(&self, staff: &StaffId, code: &str) -> bool {
        let issued = self
            .clinic
            .staff
            .get(staff)
            .and_then(|member| member.facts.sign_in);
        let (Some(issued), Ok(secret)) = (issued, SignInSecret::from_code(code)) else {
            return false;
        };
        let same = secret.hash(*staff).as_bytes().ct_eq(issued.hash.as_bytes());
        bool::from(same) && self.api.now().wall <= issued.expires
    }

    /// A code is spent once a password was set after the code was handed out.
    fn is_spent(&self, staff: &StaffId, stored: &Credentials) -> bool {
        let member = self.clinic.staff.get(staff);
        let Some(issued) = member.and_then(|member| member.facts.sign_in) else {
            return true;
        };
        let handed_out: WallTime = issued.expires.minus(CODE_LIFE);
        stored.password().is_some_and(|(_, at)| at >= handed_out)
    }

    /// Records a refused try, and says the one thing that is said to everyone.
    async fn refuse(&self, deed: Deed) -> Result<Problem, Problem> {
        let actor = self.staff.map_or(Actor::Stranger, Actor::Staff);
        self.api
            .note(AuditRecord::refused(actor, self.caller.origin(), deed))
            .await?;
        let remedy = match deed {
            Deed::PasswordSet => {
                "a code works once and for 24 hours; an admin can hand you another one"
            }
            _ => "the first time, sign in with the one-time code from your admin",
        };
        Ok(Problem::new(Code::LoginRefused, "that is not right").remedy(remedy))
    }
}

/// Whether this person may sign in here; told only to who has proven who they are.
pub(super) async fn check_person(api: &Api, caller: Caller, staff: StaffId) -> Result<(), Problem> {
    let (clinic, device) = (api.clinic().await?, api.device().await?);
    let why = match turned_out(&clinic, &device, &staff) {
        None => return Ok(()),
        Some(TurnedOut::Suspended) => CommandRefusal::Suspended,
        Some(TurnedOut::NotAtHome) => CommandRefusal::NotAtHome,
    };
    let actor = Actor::Staff(staff);
    api.note(AuditRecord::refused(actor, caller.origin(), Deed::SignedIn))
        .await?;
    Err(problem_of(&why))
}

/// Begins a login; only one that is whole counts as signing in.
pub(super) async fn begin(
    api: &Api,
    caller: Caller,
    staff: StaffId,
    stage: Stage,
) -> Result<Admitted, Problem> {
    let origin = caller.origin();
    if stage.is_whole() {
        note_sign_in(api, staff, origin).await?;
    }
    let (token, now) = (fresh_token(), api.now());
    let begins = Beginning {
        staff,
        stage,
        origin,
        address: caller.address,
        agent: caller.agent,
    };
    let ended = api.logins().begin(LoginKey::of(&token), begins, now);
    api.end(ended, Origin::Inside).await;
    Ok(Admitted {
        token,
        staff,
        stage,
    })
}

/// Makes a half login whole, under another token.
pub(super) async fn complete(api: &Api, caller: Caller, shown: Shown) -> Result<Admitted, Problem> {
    note_sign_in(api, shown.staff, caller.origin()).await?;
    let admitted = begin_again(api, shown);
    Ok(admitted)
}

pub(super) fn begin_again(api: &Api, shown: Shown) -> Admitted {
    let (token, now) = (fresh_token(), api.now());
    api.logins().move_on(shown.key, LoginKey::of(&token), now);
    Admitted {
        token,
        staff: shown.staff,
        stage: Stage::Ready,
    }
}

async fn note_sign_in(api: &Api, staff: StaffId, origin: Origin) -> Result<(), Problem> {
    let record = AuditRecord::done(Actor::Staff(staff), origin, Deed::SignedIn);
    api.note(record).await
}

/// What a face shows from here on: 256 random bits.
pub(super) fn fresh_token() -> Zeroizing<String> {
    Zeroizing::new(hex(&*entropy::secret::<32>()))
}

/// Opens a locked login again, by the password of the person who locked it.
pub(in crate::web) async fn unlock(
    api: &Api,
    caller: Caller,
    password: &str,
) -> Result<Admitted, Problem> {
    let shown = caller.login.ok_or_else(login_required)?;
    if shown.stage != Stage::Locked {
        return Err(Problem::new(Code::Refused, "the login is not locked"));
    }
    let set = prove_password(api, caller, shown.staff, password).await?;
    api.unlocking()
        .keep(api, (shown.staff, Some(set)), password);
    Ok(begin_again(api, shown))
}

/// Whether the person at the keyboard knows the password of the person signed in; gives when it was set.
pub(super) async fn prove_password(
    api: &Api,
    caller: Caller,
    staff: StaffId,
    password: &str,
) -> Result<WallTime, Problem> {
    let place = api.hashing().queue()?;
    let name = throttle_name(Some(staff), "");
    book(api, &name, caller)?;
    let attempt = Attempt {
        api,
        caller,
        clinic: api.clinic().await?,
        staff: Some(staff),
        place,
    };
    let (_, set) = attempt.by_password(password).await?;
    settle(api, &name, caller);
    Ok(set)
}
