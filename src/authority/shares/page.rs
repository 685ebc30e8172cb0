//! The sheet of one share.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use zeroize::Zeroizing;

use crate::domain::id::ClinicId;
use crate::domain::name::Name;
use crate::domain::time::WallTime;

use super::super::recovery::grouped;
use super::{Share, Sheets, typing};

/// What the picture is seen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Ink on paper: what is dark is drawn.
    OnPaper,
    /// Light on a dark screen: what is light is drawn.
    OnScreen,
}

/// The sheet, as plain text that fits one page of A4.
pub(in crate::authority) fn page(
    name: &Name,
    clinic: &ClinicId,
    share: &Share,
    sheets: Sheets,
    now: WallTime,
    seen: Seen,
) -> Zeroizing<String> {
    Zeroizing::new(format!(
        "RECOVERY SHARE {number} OF {count} OF THE CLINIC'S ROOT KEY\n\
         =================================================\n\
         Clinic:  {name}\n\
         Made on: {date}          Set: {set}          Needed: {threshold} of {count}\n\
         Clinic id:\n    {id}\n\n\
         Any {threshold} of these {count} sheets make the root key again; fewer are worth nothing.\n\
         Each belongs to another person, at home or at a bank, in a sealed envelope.\n\
         Never photograph, scan, copy or e-mail it, and never keep two in one place.\n\
         If it is lost or was seen, tell the clinic: new shares are made with\n\
         `authority shares make`, and the sheets of this set are destroyed.\n\n\
         Keeper: ______________________________\n\n\
         THE SHARE (the first four letters of each word are enough)\n\
         {lines}\n\
         The same as a picture, for a scanner that is on no network:\n\
         {picture}\n\
         To try it once a year:  clinic-mesh authority shares check\n\
         To use it:              clinic-mesh authority recover --shares\n",
        number = share.number,
        count = sheets.count,
        threshold = sheets.threshold,
        set = share.set,
        date = now.day(),
        id = grouped(clinic),
        lines = *typing::lines(share),
        picture = *picture(share, seen),
    ))
}

/// The QR code of the share in one line; the words are enough where it cannot be drawn.
pub(super) fn picture(share: &Share, seen: Seen) -> Zeroizing<String> {
    let text = typing::in_one_line(share);
    let (dark, light) = match seen {
        Seen::OnPaper => (Dense1x2::Dark, Dense1x2::Light),
        Seen::OnScreen => (Dense1x2::Light, Dense1x2::Dark),
    };
    // The middle of the levels: a fold or a stain in a tenth of it is made up for.
    let drawn = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::M).map(|code| {
        let mut draw = code.render::<Dense1x2>();
        draw.dark_color(dark).light_color(light).build()
    });
    Zeroizing::new(drawn.unwrap_or_default())
}
