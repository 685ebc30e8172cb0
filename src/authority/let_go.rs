//! An open key that waits: others work in its directory meanwhile, and it reads anew what they left there.

use super::{Authority, AuthorityError, check_root};

impl Authority {
    /// Lets other commands work in the directory while this one waits for somebody.
    ///
    /// The key stays open, but signs nothing until the directory is [held again](Self::hold_again).
    pub fn let_go(&mut self) {
        self.directory.let_go();
    }

    /// Takes the directory's lock again, and what others have signed and made there meanwhile.
    ///
    /// Does nothing while it is held. Refused while another command works there: ask again then.
    pub fn hold_again(&mut self) -> Result<(), AuthorityError> {
        if !self.directory.hold_again()? {
            return Ok(());
        }
        let read = self.read_again();
        if read.is_err() {
            // What is in memory may be behind the directory, and would fork the log.
            self.directory.let_go();
        }
        read
    }

    fn read_again(&mut self) -> Result<(), AuthorityError> {
        let mut record = self.directory.load_record(self.clinic_id())?;
        // An older copy may have been put back meanwhile: what was signed here stays signed.
        record.merge(self.record.segments().cloned())?;
        record.merge(self.record.forks().map(|fork| fork.proof.clone()))?;
        let clinic = record.clinic();
        check_root(&self.holder, &self.key, &clinic)?;
        let mesh_keys = self.directory.load_mesh_keys(&self.holder, &self.key)?;
        self.web_ca = self.directory.load_web_ca(&self.holder, &self.key)?;
        self.mesh_keys = mesh_keys;
        self.record = record;
        self.clinic = clinic;
        Ok(())
    }
}
