//! English.

use super::{CODE, Language, Sentences, TOKEN, Units};

const UNITS: Units = Units { minute: [" minute", " minutes"], second: [" second", " seconds"] };

pub(super) const WORDS: Language = Language {
    tag: "en",
    units: UNITS,
    log_in: Sentences {
        subject: "Your sign-in code for {brand}",
        title: "Your sign-in code",
        asked: "Someone asked to sign in to {brand} with this e-mail address.",
        careful: "If it was not you, ignore this message: nobody gets in without the code. Do not pass the code on, and do \
                  not type it anywhere but where you asked for it.",
        expires: "This code expires in {life}. Your code is:",
        style: CODE,
    },
    reset: Sentences {
        subject: "Your password at {brand}",
        title: "Your password",
        asked: "Someone asked to set a new password at {brand} for this e-mail address.",
        careful: "If it was not you, ignore this message: your password stays as it is. Do not pass the token on.",
        expires: "This token expires in {life}. Your token is:",
        style: TOKEN,
    },
    sms_units: UNITS,
    sms: "{code} is your sign-in code for {brand}. It expires in {life}. Do not pass it on.",
    sms_without_brand: "{code} is your sign-in code. It expires in {life}. Do not pass it on.",
};
