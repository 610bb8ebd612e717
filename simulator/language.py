"""Word tables: what carries no meaning, what hints at the shape of an answer. Folded: lower case, no accents."""

import re

# Left out, because they are common English nouns or names too: German hat, war, bin; French son, pour; Dutch van, …
_STOPWORDS_BY_LANGUAGE: dict[str, str] = {
    "en": """
        a about above after again all also am an and any are as ask at be because been before being but by can could
        did do does doing done for from get give had has have having he hello her here hers hey hi him his how i if in
        into is it its just know let like ll may me might mine more most my no nor not now of off ok on once only or
        our ours out over please recall remember remind said say she should show so some still such tell than thank
        thanks that the their them then there these they this those told to too under until up us use ve very was we
        were what when where which while who whom whose why will with would yes you your yours
        don didn doesn isn wasn aren couldn re""",
    "de": """
        aber auf aus bei bitte das dein deine dem den der des die du ein eine einen einer er es fur habe haben ich ihr
        im ist kann mein meine meiner mich mir mit nach nicht oder sie sind und uns von warum wann welche welcher
        welches wer wie wo zu zum zur""",
    "fr": """
        au aux avec ce ces cette dans de du elle en est et il je la le les leur lui ma mais mes moi mon ne nous ou par
        quand que quel quelle qui sa ses sur ta tes ton tu un une vos votre vous""",
    "es": """
        al como con cual cuando del donde el ella era es esta este estoy ha he la las lo los mi mis muy por porque que
        se si sin soy su sus tu una y yo""",
    "it": """
        alla che chi da dei della di e gli hai ho il io mia mio nel non piu quale quando sono suo tua tuo""",
    "pt": """
        do dos ele em eu foi meu minha na nao os para qual sao seu sua uma""",
    "nl": """
        dat deze een het hoe ik je jij mijn naar niet ons te uit voor waar wanneer wat welke wie zijn""",
    # Pairs of characters that only ask or point.
    "zh": "什么 多少 请问 我的 你的 是什 是多 怎么 哪里 吗",
    "ja": "です ます すか ました した 教え えて 何で か",
    "ko": "무엇 입니 니까 인가 가요 알려 려줘 뭐야 내 제",
}
STOPWORDS = frozenset(word for words in _STOPWORDS_BY_LANGUAGE.values() for word in words.split())

_MONTHS_AND_DAYS = (
    r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun|today|tomorrow|yesterday|week|month"
)
_DIGIT = re.compile(r"\d")

# Words of the question, and what its answer is likely to show. The first row that applies is used: specific first.
HINTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("email mail emails correo", re.compile(r"@")),
    ("phone telephone mobile telefon telefono", re.compile(r"\d(?:[\s().-]?\d){5}")),
    ("price cost costs amount total paid pay refund kosten precio prix", _DIGIT),
    (
        "when date day time deadline birthday wann datum cuando fecha quand 何时 时间 いつ 언제",
        re.compile(rf"\d|\b(?:{_MONTHS_AND_DAYS})"),
    ),
    ("number numbers id code reference pin zip postcode address many much", _DIGIT),
    ("nummer adresse numero direccion direction 号码 单号 番号 번호", _DIGIT),
)

UPDATED_WORDS = frozenset({"now", "new", "changed", "moved", "updated", "instead", "correction", "actually"})
SUPERSEDED_WORDS = frozenset({"old", "previous", "previously", "former", "formerly", "anymore"})

# A question that has lost its mark.
ASKING = re.compile(
    r"^(?:and |so |but |ok |hi |hello |hey |please )*"
    r"(?:what|what's|whats|who|whose|why|how|which|where'?s?|tell me|remind me|show me|do you|did (?:i|we|you)|can you"
    r"|could you|was ist|wie |wo |wann |quel|quand |cual |cuando |donde )\b"
)
GREETING = re.compile(
    r"^(?:hi|hey|hello|hallo|hola|bonjour|salut|ciao|ola|good (?:morning|afternoon|evening|day)|guten (?:tag|morgen)"
    r"|你好|您好|こんにちは|안녕)"
)
