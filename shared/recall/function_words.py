"""Words that say how a sentence is built and not what it is about, by language, folded as `words` folds.

Left out: what is one language's function word and another's noun or verb ("die", "war", "hat", "door", "men", "ten").
Those stay in the index, and weigh little where they are frequent. Languages that are not here rest on that alone.
"""
# ruff: noqa: RUF001 - words of several scripts

from __future__ import annotations

from typing import Final

BY_LANGUAGE: Final[dict[str, str]] = {
    "en": (
        "a about all also am an and any are arent as at be because been being but by can cannot cant could "
        "couldnt did didnt do does doesnt doing done dont for from had hadnt has hasnt have havent having he her "
        "here him his how i id if ill im in into is isnt it its ive just lets may me might mine must my no not of "
        "on or our ours out over please really shall she should shouldnt so some than thanks that thats the their "
        "theirs them then there these they this those to too up us very was wasnt we were werent what whats when "
        "where which who whom whose why will with wont would wouldnt you your youre yours"
    ),
    "de": (
        "aber alle als am auch auf aus bei bis bitte da damit dann das dass dein dem den denn der des dich dir "
        "doch du durch ein eine einem einen einer eines er es etwas euch euer fur habe haben hatte hatten ich ihm "
        "ihn ihnen ihr ihre ihrem ihren im ist ja jetzt kann kein keine keinen konnen konnte mein meine meinem "
        "meinen meiner meines mich mir mit mochte nach nicht noch nun nur ob oder schon sehr sein seine sich sie "
        "sind sollte uber um und uns unser unsere vom von vor wann warum was wegen wenn wer werden wie wieder wir "
        "wird wo wurde wurden zu zum zur"
    ),
    "fr": (
        "alors au aussi aux avait avec avez avoir avons bien ce cela ces cet cette ceux chez comme comment dans "
        "de des donc du elle elles en encore est et etait ete etes etre eu faut il ils jai je la le les leur "
        "leurs lui ma mais mes mon ne nos notre nous on ont ou par pas pourquoi qu quand que quel quelle quelles "
        "quels qui quoi sa sans ses si sont suis sur ta te tes toi ton tres tu un une vos votre voudrais vous"
    ),
    "es": (
        "al algo antes aqui asi aun como con cual cuales cuando de del desde donde el ella ellas ellos en "
        "entonces era eran es esa ese eso esta estaba estan estas este esto estos estoy fue fueron ha habia han "
        "hasta hay he la las le les lo los mas me mi mis mucho muy nada ni nos nosotros o para pero por porque "
        "que quien quiero se ser si sido sobre soy su sus tambien tanto te tengo ti tiene todo tu tus un una uno "
        "usted ustedes y ya yo"
    ),
    "it": (
        "al alla alle anche avete aveva che chi ci con cosa cui da dagli dal dalla degli dei del della delle "
        "dello di e ed era gli ha hai hanno ho il in io la le lei li lo loro lui ma mi mia mie miei mio molto nei "
        "nel nella non nostro o per perche piu qual quale quali quando quanto quello questa queste questi questo "
        "se si sia siamo siete sono stata stato su sua sue sugli sul sulla suo suoi ti tra tu tua tuo un una uno "
        "vi voi vorrei"
    ),
    "pt": (
        "ao aos aquela aquele as ate com como da das de dela dele do dos e ela elas ele eles em entre era essa "
        "esse esta estao estar estava este estou eu foi foram ha isso isto ja lhe mais mas me meu meus minha "
        "minhas muito na nao nas nem no nos nossa nosso num numa o onde os ou para pela pelo por porque quais "
        "qual quando que quem se sem ser seu seus sua suas tambem te tem tenho ter um uma voce voces"
    ),
    "nl": (
        "aan als ben bij daar dan dat de deze dit doen een en er geen haar heb hebben heeft hem het hier hij hoe "
        "hun ik in is ja je jij jullie kan kunnen maar meer mij mijn moet naar niet niets nog nu of om omdat ons "
        "onze ook op over te toch toen tot uit uw van veel voor waar waarom wanneer waren wat we welke werd wie "
        "wij wil worden wordt zal ze zich zij zijn zo zonder zou"
    ),
    "sv": (
        "alla att av blev bli da de dem den denna deras det detta din ditt du efter eller en ett for fran ha hade "
        "han har hon hur i icke ingen inte ja jag kan med mig min mina mitt mycket nar nej ni nu och om oss pa "
        "sig sin sina ska skulle som till under upp ut vad var vara vart vem vi vid vilken"
    ),
    "da": (
        "af alle blev da dem den denne der deres det dette din efter eller en er et for fra han havde hun hvad "
        "hvem hvor hvordan hvorfor ikke ind jeg jer kunne meget mig mit nar noget nogle og ogsa om op os pa sig "
        "skal skulle som til ud var ved vi vil ville vores"
    ),
    "pl": (
        "albo ale bardzo bez bo by byc byl byla bylo czy dla do gdzie go i ich ile im ja jak jaki jako je jego "
        "jej jest jestem juz kiedy kto ktora ktore ktory ma mam mi mnie moj moja moje na nad nam nas nasz nie niz "
        "o od on ona one oni oraz po pod prosze przez przy sa sie sobie ta tak taki tam te tego tej to tu tym w "
        "was wie z za ze zeby"
    ),
    "tr": (
        "acaba ama ancak bana bazi beni benim bir biz bize bu bunu cok cunku da daha de degil diye en gibi hem "
        "hep her hic icin ile ise kadar ki mi mu nasil ne neden nerede niye o olan olarak oldu onu onun sana sen "
        "senin siz size sizin su ve veya ya yok"
    ),
    "ru": (
        "без бы был была были было быть в вам вас ваш ваша ваше во вот все всего всех вы где да даже для до его "
        "ее если есть еще же за и из или им их к как какой когда который кто ли меня мне мной мои мой моя мы на "
        "над нам нас наш не него нее нет ни них но ну о об он она они оно от очень по под пожалуиста после почему "
        "при с свои себя со так также там твои тебе тебя то того тоже только том ты у уже хочу чего чем что чтобы "
        "это этого этои этом этот я"
    ),
    "uk": (
        "аби або але без був була були було бути в вам вас ваш вже ви вона вони воно від він де для до з за и "
        "його коли ле ли мене мені ми моя мої мій на нам нас наш не ні при про під після та так також там те ти "
        "то тому у хто це цей ця чи чому що щоб я як який і із їх її"
    ),
    "ar": (
        "الى الي ان انا انت انه انها او اي ايضا بعد به بها تم ثم حتى ذلك على عن عند في قبل قد كان كانت كل كيف لا "
        "لقد لم لماذا لن له لها لي ما متى مع من منذ نحن هذا هذه هل هناك هو هي و وقد يا"
    ),
    "hi": (
        "और कब कर करना कहाँ का कि की के कैसे को क्या क्यों जो तक तो था थी थे नहीं ने पर भी मुझे में मेरा मेरी "
        "मेरे मैं यह या ये लिए वह वे से हम हमारा ही हूँ है हैं हो"
    ),
}

SEVERAL: Final = " ".join(BY_LANGUAGE.values()).split()
"""All of them together."""
