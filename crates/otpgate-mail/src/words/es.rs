//! Spanish. Wanted: a review by a native speaker.

use super::{CODE, Language, Sentences, TOKEN, Units};

const UNITS: Units = Units { minute: [" minuto", " minutos"], second: [" segundo", " segundos"] };

pub(super) const WORDS: Language = Language {
    tag: "es",
    units: UNITS,
    log_in: Sentences {
        subject: "Su código de acceso a {brand}",
        title: "Su código de acceso",
        asked: "Alguien ha solicitado iniciar sesión en {brand} con esta dirección de correo electrónico.",
        careful: "Si no ha sido usted, ignore este mensaje: nadie puede entrar sin el código. No comparta el código y \
                  escríbalo solo donde lo haya solicitado.",
        expires: "Este código caduca en {life}. Su código es:",
        style: CODE,
    },
    reset: Sentences {
        subject: "Su contraseña en {brand}",
        title: "Su contraseña",
        asked: "Alguien ha solicitado una nueva contraseña en {brand} para esta dirección de correo electrónico.",
        careful: "Si no ha sido usted, ignore este mensaje: su contraseña no cambiará. No comparta el token.",
        expires: "Este token caduca en {life}. Su token es:",
        style: TOKEN,
    },
    // The GSM alphabet lacks most accented letters; with one of them an SMS would hold 70 characters.
    sms_units: UNITS,
    sms: "{code} es su codigo de acceso a {brand}. Caduca en {life}. No lo comparta.",
    sms_without_brand: "{code} es su codigo de acceso. Caduca en {life}. No lo comparta.",
};
