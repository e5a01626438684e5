//! German. Wanted: a review by a native speaker.

use super::{CODE, Language, Sentences, TOKEN, Units};

const UNITS: Units = Units { minute: [" Minute", " Minuten"], second: [" Sekunde", " Sekunden"] };

pub(super) const WORDS: Language = Language {
    tag: "de",
    units: UNITS,
    log_in: Sentences {
        subject: "Ihr Anmeldecode für {brand}",
        title: "Ihr Anmeldecode",
        asked: "Jemand möchte sich mit dieser E-Mail-Adresse bei {brand} anmelden.",
        careful: "Wenn Sie das nicht waren, ignorieren Sie diese Nachricht: Ohne den Code kommt niemand hinein. Geben Sie \
                  den Code nicht weiter, und tippen Sie ihn nur dort ein, wo Sie ihn angefordert haben.",
        expires: "Dieser Code läuft in {life} ab. Ihr Code lautet:",
        style: CODE,
    },
    reset: Sentences {
        subject: "Ihr Passwort bei {brand}",
        title: "Ihr Passwort",
        asked: "Jemand möchte für diese E-Mail-Adresse ein neues Passwort bei {brand} setzen.",
        careful: "Wenn Sie das nicht waren, ignorieren Sie diese Nachricht: Ihr Passwort bleibt, wie es ist. Geben Sie das \
                  Token nicht weiter.",
        expires: "Dieses Token läuft in {life} ab. Ihr Token lautet:",
        style: TOKEN,
    },
    sms_units: UNITS,
    sms: "{code} ist Ihr Anmeldecode für {brand}. Er läuft in {life} ab. Geben Sie ihn nicht weiter.",
    sms_without_brand: "{code} ist Ihr Anmeldecode. Er läuft in {life} ab. Geben Sie ihn nicht weiter.",
};
