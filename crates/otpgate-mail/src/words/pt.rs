//! Portuguese, as written in Brazil. Wanted: a review by a native speaker, and words for Portugal.

use super::{CODE, Language, Sentences, TOKEN, Units};

const UNITS: Units = Units { minute: [" minuto", " minutos"], second: [" segundo", " segundos"] };

pub(super) const WORDS: Language = Language {
    tag: "pt",
    units: UNITS,
    log_in: Sentences {
        subject: "Seu código de acesso a {brand}",
        title: "Seu código de acesso",
        asked: "Alguém pediu para entrar em {brand} com este endereço de e-mail.",
        careful: "Se não foi você, ignore esta mensagem: ninguém entra sem o código. Não compartilhe o código e digite-o \
                  somente onde você o pediu.",
        expires: "Este código expira em {life}. Seu código é:",
        style: CODE,
    },
    reset: Sentences {
        subject: "Sua senha em {brand}",
        title: "Sua senha",
        asked: "Alguém pediu para definir uma nova senha em {brand} para este endereço de e-mail.",
        careful: "Se não foi você, ignore esta mensagem: sua senha continua a mesma. Não compartilhe o token.",
        expires: "Este token expira em {life}. Seu token é:",
        style: TOKEN,
    },
    // The GSM alphabet lacks most accented letters; with one of them an SMS would hold 70 characters.
    sms_units: UNITS,
    sms: "{code} é seu codigo de acesso a {brand}. Expira em {life}. Nao compartilhe.",
    sms_without_brand: "{code} é seu codigo de acesso. Expira em {life}. Nao compartilhe.",
};
