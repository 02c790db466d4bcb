"""HubSpot's own object types and association type ids, transcribed from the public documentation.

The table holds the 445 ids that the associations guide lists (its edition for 2026-09); the category of
each is HUBSPOT_DEFINED. An entry reads ``type id``, ``to object type`` and, where the type is not the
unlabelled one, a qualifier after a slash. Two entries of opposite direction with one qualifier are the two
ends of one association; ``primary-of`` is the far end of ``primary`` and ``child`` that of ``parent``.
"""

OBJECT_TYPES = {
    "appointment": ("0-421", "appointments"),
    "call": ("0-48", "calls"),
    "cart": ("0-142", "carts"),
    "communication": ("0-18", "communications"),
    "company": ("0-2", "companies"),
    "contact": ("0-1", "contacts"),
    "course": ("0-410", "courses"),
    "deal": ("0-3", "deals"),
    "discount": ("0-84", "discounts"),
    "email": ("0-49", "emails"),
    "feedback submission": ("0-19", "feedback_submissions"),
    "fee": ("0-85", "fees"),
    "goal": ("0-74", "goals"),
    "invoice": ("0-53", "invoices"),
    "lead": ("0-136", "leads"),
    "line item": ("0-8", "line_items"),
    "listing": ("0-420", "listings"),
    "marketing event": ("0-54", "marketing_events"),
    "meeting": ("0-47", "meetings"),
    "note": ("0-46", "notes"),
    "order": ("0-123", "orders"),
    "payment": ("0-101", "commerce_payments"),
    "postal mail": ("0-116", "postal_mail"),
    "product": ("0-7", "products"),
    "project": ("0-970", "projects"),
    "quote": ("0-14", "quotes"),
    "service": ("0-162", "services"),
    "subscription": ("0-69", "subscriptions"),
    "task": ("0-27", "tasks"),
    "tax": ("0-86", "taxes"),
    "ticket": ("0-5", "tickets"),
    "user": ("0-115", "users"),
}
"""Singular name to (object type id, plural name as used in paths).

Documented. The table below names a few more (thread, deal split, ...) whose ids the documentation does not
give: their type ids are known, but no path leads to them.
"""

LABELS = {
    "primary": "Primary",
    "primary-of": "{to} with Primary {from}",
    "parent": "Parent Company",
    "child": "Child Company",
    "billing": "Billing Contact",
    "signer": "Signer",
    "upcoming": "Upcoming",
}
"""Qualifier to the label text in answers, where ``{from}`` and ``{to}`` are the object types.

Observed: Primary, Billing Contact, and of the far ends Contact with Primary Company and Deal with Primary Company; the
other far ends are assumed to be similar. The documentation names the types but not these texts.
"""

FAR_ENDS = {"primary": "primary-of", "primary-of": "primary", "parent": "child", "child": "parent"}
"""Qualifier to the qualifier of the other direction, where the two differ."""

SINGLES = frozenset({"primary", "parent"})
"""Qualifiers of which a record has one at most: its primary record (documented), a company's parent."""

TYPE_IDS = {
    "company": (
        "450 company, 14 company/parent, 13 company/child, 280 contact, 2 contact/primary-of, 930 "
        "contact/billing, 342 deal, 6 deal/primary-of, 340 ticket, 25 ticket/primary-of, 181 call, 185 "
        "email, 611 lead, 187 meeting, 189 note, 191 task, 88 communication, 460 postal mail, 180 invoice, "
        "935 order, 510 order/primary-of, 390 payment, 472 payment link, 72 quote, 1335 quote/billing, 298 "
        "subscription, 909 appointment, 939 course, 885 listing, 793 service, 929 feedback submission, "
        "1237 project, 1387 marketing event"
    ),
    "contact": (
        "449 contact, 279 company, 1 company/primary, 931 company/billing, 4 deal, 15 ticket, 193 call, "
        "197 email, 199 meeting, 201 note, 203 task, 82 communication, 454 postal mail, 587 cart, 508 "
        "order, 178 invoice, 388 payment, 470 payment link, 296 subscription, 907 appointment, 861 course, "
        "883 listing, 799 service, 97 feedback submission, 1243 project, 609 lead, 70 quote, 703 "
        "quote/signer, 1227 quote/billing, 1375 marketing event"
    ),
    "deal": (
        "451 deal, 3 contact, 341 company, 5 company/primary, 27 ticket, 205 call, 1038 lead, 583 "
        "lead/primary-of, 209 email, 1357 goal, 211 meeting, 213 note, 215 task, 86 communication, 458 "
        "postal mail, 313 deal split, 19 line item, 1346 cart, 176 invoice, 511 order, 392 payment, 474 "
        "payment link, 63 quote, 300 subscription, 945 appointment, 863 course, 887 listing, 795 service, "
        "985 feedback submission, 1239 project, 1389 marketing event"
    ),
    "ticket": (
        "452 ticket, 16 contact, 339 company, 26 company/primary, 28 deal, 219 call, 223 email, 225 "
        "meeting, 227 note, 229 task, 84 communication, 456 postal mail, 32 thread, 278 conversation, 526 "
        "order, 947 appointment, 941 course, 943 listing, 797 service, 1122 subscription, 1355 payment, "
        "99 feedback submission, 1241 project"
    ),
    "lead": (
        "608 contact, 578 contact/primary, 610 company, 580 company/primary, 1037 deal, 582 deal/primary, "
        "596 call, 598 email, 600 meeting, 854 note, 646 task, 602 communication, 1162 feedback "
        "submission, 1391 marketing event"
    ),
    "appointment": (
        "906 contact, 908 company, 944 deal, 946 ticket, 912 call, 916 email, 918 meeting, 920 note, 922 "
        "task, 924 communication, 926 postal mail, 1325 project, 2728 marketing event"
    ),
    "goal": "809 campaign, 1356 deal, 333 goal target group",
    "course": (
        "860 contact, 938 company, 862 deal, 940 ticket, 866 call, 870 email, 872 meeting, 874 note, 876 "
        "task, 878 communication, 880 postal mail, 1323 project, 2760 marketing event"
    ),
    "listing": (
        "882 contact, 884 company, 886 deal, 942 ticket, 890 call, 894 email, 896 meeting, 898 note, 900 "
        "task, 902 communication, 904 postal mail, 1321 project, 2772 marketing event"
    ),
    "service": (
        "798 contact, 792 company, 794 deal, 796 ticket, 840 call, 842 email, 838 meeting, 836 note, 852 "
        "task, 846 communication, 848 postal mail, 1245 project, 2782 marketing event"
    ),
    "call": (
        "913 appointment, 182 company, 194 contact, 206 deal, 1156 feedback submission, 597 lead, 773 "
        "order, 867 course, 891 listing, 1258 project, 841 service, 220 ticket"
    ),
    "email": (
        "917 appointment, 186 company, 198 contact, 871 course, 210 deal, 777 order, 895 listing, 1260 "
        "project, 843 service, 224 ticket, 498 marketing event"
    ),
    "feedback submission": (
        "98 contact, 928 company, 984 deal, 100 ticket, 1155 call, 1157 cart, 1173 subscription, 1159 "
        "invoice, 1161 lead, 1167 order, 1171 quote, 1169 payment"
    ),
    "meeting": (
        "200 contact, 188 company, 212 deal, 226 ticket, 601 lead, 769 order, 919 appointment, 873 "
        "course, 897 listing, 839 service"
    ),
    "note": (
        "202 contact, 190 company, 214 deal, 228 ticket, 855 lead, 765 order, 921 appointment, 875 course, "
        "899 listing, 837 service, 1249 project, 260 marketing event"
    ),
    "postal mail": (
        "453 contact, 459 company, 457 deal, 455 ticket, 927 appointment, 881 course, 905 listing, 788 "
        "order, 849 service, 1264 project"
    ),
    "task": (
        "204 contact, 192 company, 216 deal, 230 ticket, 647 lead, 218 quote, 727 order, 923 appointment, "
        "877 course, 901 listing, 853 service, 1247 project, 262 marketing event"
    ),
    "communication": (
        "81 contact, 87 company, 85 deal, 83 ticket, 603 lead, 785 order, 925 appointment, 879 course, "
        "903 listing, 847 service, 1282 project"
    ),
    "invoice": (
        "177 contact, 179 company, 175 deal, 407 quote, 622 subscription, 815 payment link, 517 order, "
        "986 ticket, 409 line item, 411 discount, 413 fee, 415 tax, 541 payment, 691 payment schedule "
        "installment, 679 data sync state, 1160 feedback submission"
    ),
    "payment": (
        "389 company, 387 contact, 391 deal, 428 discount, 1326 fee, 1170 feedback submission, 542 "
        "invoice, 395 line item, 524 order, 476 payment link, 397 quote, 393 subscription, 1354 ticket"
    ),
    "payment link": (
        "475 payment, 469 contact, 471 company, 473 deal, 682 discount, 686 fee, 814 invoice, 758 line "
        "item, 477 subscription, 684 tax"
    ),
    "quote": (
        "69 contact, 1226 contact/billing, 71 company, 1334 company/billing, 64 deal, 67 line item, 286 "
        "quote template, 362 discount, 364 fee, 366 tax, 217 task, 702 contact/signer, 733 cart, 408 "
        "invoice, 731 order, 398 payment, 304 subscription, 1172 feedback submission"
    ),
    "line item": (
        "571 abandoned cart, 591 cart, 396 payment, 20 deal, 368 discount, 410 invoice, 514 order, 759 "
        "payment link, 1345 project, 68 quote, 302 subscription, 565 subscription/upcoming"
    ),
    "order": (
        "772 call, 593 cart, 507 contact, 784 communication, 934 company, 509 company/primary, 512 deal, "
        "519 discount, 521 discount code, 776 email, 1168 feedback submission, 518 invoice, 513 line item, "
        "768 meeting, 764 note, 523 payment, 789 postal mail, 730 quote, 516 subscription, 726 task, 525 "
        "ticket, 2538 marketing event"
    ),
    "cart": (
        "586 contact, 1347 deal, 588 discount, 590 line item, 592 order, 732 quote, 728 task, 594 ticket, "
        "1158 feedback submission"
    ),
    "discount": "369 deal, 361 quote, 412 invoice, 683 payment link, 520 order, 589 cart, 367 line item",
    "fee": "1327 payment, 687 payment link, 363 quote, 414 invoice",
    "subscription": (
        "295 contact, 297 company, 299 deal, 1121 ticket, 623 invoice, 301 line item, 303 quote, 478 "
        "payment link, 515 order, 1174 feedback submission"
    ),
    "tax": "685 payment link, 365 quote, 416 invoice",
    "project": (
        "1324 appointment, 1257 call, 1281 communication, 1236 company, 1299 company/primary, 1242 "
        "contact, 1261 conversation session, 1322 course, 1304 data sync, 1238 deal, 1259 email, 1252 "
        "engagement, 1320 listing, 1250 marketing event, 1255 meeting, 1248 note, 1263 postal mail, 1254 "
        "project, 1244 service, 1246 task, 1240 ticket"
    ),
    "marketing event": (
        "1374 contact, 1386 company, 1388 deal, 1390 lead, 2535 payment, 2537 order, 2592 user, 2563 "
        "marketing event, 259 note, 261 task, 497 email, 499 meeting, 1228 call, 1234 communication, 1251 "
        "project, 2729 appointment, 2761 course, 2773 listing, 2783 service, 492 campaign, 493 engagement, "
        "1231 publishing task, 1232 conversation session"
    ),
}
