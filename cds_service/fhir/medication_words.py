"""The words that stand beside the name of a drug in catalogues, prescriptions and displays. Data only; ``medications``
reads with it (Z48).

The words are those of product names in English, German, French, Spanish, Italian, Dutch, Portuguese and the
Scandinavian languages: the dose forms and routes of EDQM Standard Terms, RxNorm and the product catalogues of these
languages, and the abbreviations that order systems print. They are written as they are compared: in lower case, without
accents and without dots. A word that is in none of these lists is not understood, and is never taken to mean nothing.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FORMS = {
    "injection": """
        inj injection injections injectable injectables inject injekt injektion injektionen injektionslosung
        injektionsloesung injektionslosungen injectie injecties injectievloeistof injectieoplossing iniettabile
        iniettabili iniezione iniezioni inyectable inyectables inyeccion inyecciones injetavel injetaveis injecao
        injecoes injeksjon injeksjonsvaeske injektionsvaske injektionsvatska injektionsvaeske amp amps ampul ampuls
        ampule ampules ampoule ampoules ampolla ampollas ampolleta ampolletas ampola ampolas fiala fiale ampulle
        ampullen ampull ampuller ampullen ampullit hetteglass hatteglas injektionsflaska vial vials viaal flacon
        flacons flaconcino frasco frascos durchstechflasche durchstechflaschen injectieflacon fertigspritze
        fertigspritzen infusion infusionslosung infusie infusione infusjon perfusion infusao depot depots
        depotinjektion intramuscular intramuscularly intramuskular intramuskulart intramuskulaer intramusculair
        intramusculaire intramusculaires intramuscolare intramuscolo im intravenous intravenously intravenos
        intravenost intraveneuse intraveineuse intraveneus intravenosa intravenoso endovenosa endovenoso endovena iv
        subcutaneous subcutaneously subkutan subkutant subcutane subcutanee subcutanea subcutaneo sottocutanea
        sottocutaneo subcutaan sc sq subcut
    """,
    "oral": """
        tab tabs tabl tablet tablets tablett tabletten tablette tabletter tableta tabletas tableten filmtabletten
        filmtablette tbl filmtbl filmtabl compresse compressa comprimido comprimidos comprime comprimes cp cpr
        caplet caplets cap caps capsule capsules capsula capsulas capsulen kapsel kapseln kapsler kapslar gelule
        gelules hartkapsel hartkapseln weichkapseln softgel softgels gelcap gelcaps pill pills dragee dragees
        grageas gragea drageer drasjeer syrup sirup sirop sciroppo jarabe xarope siroop elixir drops tropfen gouttes
        gocce gotas druppels drank oral orally po peroral perorale perorali oraal orale orali buvable orodispersible
        orodispersibles schmelztabletten brausetabletten kautabletten lutschtabletten effervescent chewable chew
        gummy gummies chewtab tuggtablett tyggetabletter lozenge lozenges zuigtabletten kauwtabletten
    """,
    "sublingual": """
        sublingual sublingually sublinguale sublinguales sublinguali sublinguaal sl subl
    """,
    "nasal": """
        nasal nasally nasenspray nasale nasales nasali nasaal neusspray nesespray nasspray intranasal intranasally
    """,
}

FORM_WORDS: dict[str, str] = {word: form for form, words in _FORMS.items() for word in words.split()}
"""Words for a dose form or a route, each with the form of product that it tells."""

FORM_PHRASES: tuple[tuple[tuple[str, ...], str], ...] = tuple(
    (tuple(words.split()), form)
    for words, form in (
        ("prefilled syringe", "injection"),
        ("prefilled syringes", "injection"),
        ("pre filled syringe", "injection"),
        ("pre filled syringes", "injection"),
        ("seringue preremplie", "injection"),
        ("jeringa precargada", "injection"),
        ("siringa preriempita", "injection"),
        ("seringa pre cheia", "injection"),
        ("voorgevulde spuit", "injection"),
        ("multi dose", "injection"),
        ("by mouth", "oral"),
        ("under the tongue", "sublingual"),
    )
)
"""Several words that tell a form of product together. Some of them would mean something else if they stood alone."""

LEADING_WORDS = _words(_FORMS["injection"] + _FORMS["oral"]) - _words("im iv sc sq po oral orally cp drank") | _words(
    """
    solution sol soln solucion solucao soluzione losung oplossing losning oplosning opplosning losg suspension de of
    di da do d del della van von per pour para
    """
)
"""Words that may stand before the name: forms, and what joins them to it ("ampolla de", "solution injectable d'")."""

LEADING_PHRASES: tuple[tuple[str, ...], ...] = (
    ("product", "containing", "only"),
    ("product", "containing", "precisely"),
)
"""How the full names of SNOMED CT begin that name a medicinal product with one substance."""

LEADING_UNITS = frozenset({"ml", "actuat"})
"""Units of the amount that stands before the name of a drug of RxNorm ("1 ML ... 1 MG/ML Injection")."""

STRENGTH_WORDS = _words(
    """
    mcg mcgs ug mikrog mikrogr mikrogramm microgram micrograms microgramme microgrammes microgramos microgramas
    microgrammi microgrammo mikrogram mikrogrammes mcgr mic mics gamma mg mgs milligram milligrams milligramme
    milligrammes miligramo miligramos miligramas milligrammi milligramm g gm gms gram grams gramm gramme grammes
    gramo gramos grammi ml mls cc milliliter milliliters millilitre millilitres mililitro mililitros millilitri dl l
    liter litre iu ie ui units unit u actuation actuat act spray sprays dose doses dosis dosi doser dosen percent
    pct strength konz konzentration concentration base eq equivalent equiv entspr entsprechend
    """
)

SALT_WORDS = _words(
    """
    acetate acetat acetaat acetato acetas acetatum azetat chloride chlorid chloridum chlorure cloruro cloreto klorid
    hydrochloride hydrochlorid hydrochloridum chlorhydrate clorhidrato cloridrato cloridrat hydroklorid hcl sulfate
    sulphate sulfat solfato sulfato sulfaat calcium calcique calcico sodium sodique sodico natrium kalzium anhydrous
    wasserfrei hydrate monohydrate trihydrate
    """
)

PACK_WORDS = _words(
    """
    x n no nr st stk stuck pcs pc pz pieces ea each per pro par por je pack packs package packung packungen pak
    paquet caja confezione caixa box boxes boite carton schachtel bottle bottles flasche flaschen fl fles bottiglia
    botella btl tube blister blisters strip strips bag bags sachet sachets beutel multidose multidosis md mdv sdv
    single singledose unidose use mehrdosen einzeldosis op refill
    """
)

OTHER_WORDS = _words(
    """
    solution soln sol solucion solucao soluzione losung loesung oplossing losning oplosning opplosning losg lsg
    suspension liquid fluid fluessigkeit flussigkeit liquido powder pulver polvo polvere poudre poeder lyophilisate
    lyophilisat for in of to be de del della di da do des du der die das fur zur zum til till voor van zu pour para
    en und et og och and or as ad by at the voie weg uso usage anwendung bruk gebruik filmdragerad filmdragerade
    filmovertrukne filmovertrukket filmomhulde pellicule pellicules secable secables recubierto recubiertos
    rivestite rivestita gastroresistente gastroresistenti route use via release conventional extended er sr xr slow
    modified prolonged retard disintegrating dispersible odt coated film delayed immediate gastro resistant enteric
    enterisch magensaftresistent uberzogene uberzogen sterile steril preservative free pf pfree conservative bp usp
    ph eur euph ep nf jp dab human adult adults erwachsene adulte adultes adultos generic brand otc rx prefilled pre
    filled fertig ready mouth tongue under hard soft gelatin gel daily
    """
)

BRAND_WORDS = _words(
    """
    ratiopharm hexal sandoz stada teva mylan viatris accord hameln rotexmedica panpharma hevert lichtenstein
    jenapharm wockhardt advanz actavis almus arrow biogaran zentiva sanofi merck pfizer fresenius kabi braun bbraun
    aguettant gerda delagrange bayer pascoe loges steigerwald eifelfango worwag orion alternova evolan abcur abz
    aliud al ct heumann ankermann sun cipla hikma somerset vitruvias american regent luitpold
    """
)
"""Makers and labels that are printed with a name and say nothing of what is in the product."""

NO_DRUG_WORDS = frozenset(
    (
        *(
            "level",
            "levels",
            "measurement",
            "measurements",
            "test",
            "tests",
            "testing",
            "assay",
            "assays",
            "serum",
            "plasma",
        ),
        *("antibody", "antibodies", "binding", "deficiency", "screen", "screening"),
        *("needle", "needles", "syringe", "syringes", "supplies"),
        *("spiegel", "bestimmung", "mangel", "antikorper", "nadel", "nadeln", "kanule", "kanulen"),
        *("taux", "dosage", "carence", "anticorps", "aiguille", "aiguilles", "seringue", "seringues"),
        *("nivel", "niveles", "deficiencia", "carencia", "anticuerpo", "anticuerpos", "aguja", "agujas"),
        *("jeringa", "jeringas", "prueba", "agulha", "agulhas", "seringa", "seringas", "anticorpo", "anticorpos"),
        *("livello", "livelli", "carenza", "anticorpi", "siringa", "siringhe"),
        *("tekort", "naald", "naalden", "spuit", "spuiten", "bepaling"),
        *("brist", "nal", "kanyle", "kanyl", "kanyler", "sproyte", "spruta", "prov"),
    )
)
"""Words that tell that a laboratory test, a diagnosis or a device is meant, and no drug."""

OTHER_DRUGS = _words(
    """
    thiamine thiamin thiamina tiamina aneurine aneurin benfotiamine benfotiamin pyridoxine pyridoxin pyridoxina
    piridoxina pyridoxal riboflavin riboflavine riboflavina niacin niacinamide nicotinamide nicotinamid nicotinamida
    ascorbic ascorbate biotin biotine dexpanthenol panthenol iron ferrous ferric eisen fer hierro ferro jern jarn
    zinc zink lidocaine lidocain lidocaina lignocaine procaine procain procaina diclofenac diclofenaco ketorolac
    ketorolaco dexamethasone dexametasona betamethasone metformin methionine inositol choline carnitine
    levocarnitine
    """
)
"""Drugs that are sold in one product with a vitamin; within brackets they count as another drug."""
