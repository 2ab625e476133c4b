"""What a problem is called, in English and Chinese, by its code."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("en", "zh")

TITLES: Mapping[str, tuple[str, str]] = {
    "activated-already": ("The item was activated before", "该物品已成功激活过"),
    "agreement-differs": ("The buyer agreed to another text", "买家同意的协议文本不同"),
    "alert-exists": ("An alert of this number was raised before", "该警报编号已被使用"),
    "already-appended": ("The command is in the log already", "该命令已写入账本"),
    "already-open": ("The log has its entry 0 already", "账本已经开启"),
    "amount-differs": ("The amount is not what is owed", "金额与应付金额不符"),
    "backup-damaged": ("The backup is damaged", "备份已损坏"),
    "backup-refused": ("No backup was made", "未能完成备份"),
    "bad-request": ("The request cannot be read", "无法读取该请求"),
    "balance-too-low": ("The balance does not hold as much", "余额不足"),
    "body-incomplete": ("The request ended early", "请求未完整送达"),
    "body-too-large": ("The request is too large", "请求过大"),
    "body-too-slow": ("The request came too slowly", "请求传输过慢"),
    "card-sold": ("The card was sold once", "该卡密已售出过一次"),
    "notice-not-ours": ("The notice is for another shop", "该通知属于其他商户"),
    "notice-signature-invalid": ("The notice is not the provider's", "该通知并非支付机构签发"),
    "notice-stale": ("The notice was not made lately", "该通知并非近期签发"),
    "notice-unassigned": ("The notice names no order", "该通知未指明订单"),
    "notices-unavailable": ("Notices cannot be told apart now", "暂时无法核对支付通知"),
    "payments-misconfigured": ("Payments are not set up rightly", "支付配置有误"),
    "provider-not-configured": ("No such provider is set up", "未配置该支付机构"),
    "box-refused": ("A sealed value does not open", "密封内容无法打开"),
    "card-not-sold": (
        "The item was not sold as a card by this order",
        "该物品并非由该订单作为卡密售出",
    ),
    "card-revealed": ("The card was revealed before", "该卡密已被揭示过"),
    "change-not-due": ("The key change is not due yet", "密钥变更尚未到期"),
    "change-pending": ("Another key change is waiting", "另有密钥变更在等待中"),
    "check-unknown": ("No such question waits for an answer", "没有等待答复的这次验真"),
    "checks-capped": ("Too many codes were asked about", "验真次数过多"),
    "checks-locked": ("Too many codes were wrong", "错误验真码过多"),
    "checks-pending": ("Too many questions wait for answers", "等待答复的验真过多"),
    "checkpoint-conflict": ("A checkpoint was refused", "检查点被拒绝"),
    "checkpoint-not-found": ("No checkpoint of this size", "没有这个大小的检查点"),
    "checkpoint-damaged": ("A stored checkpoint is damaged", "已存的检查点已损坏"),
    "claim-closed": ("The claim is closed", "该索赔已结案"),
    "claim-exists": ("A claim of this number was opened already", "该索赔编号已存在"),
    "claim-not-accepted": (
        "The trade policy takes no claim of this kind",
        "交易政策不受理此类索赔",
    ),
    "claim-open": ("A claim is open on this line", "该订单行有未结索赔"),
    "class-without-terms": (
        "The trade policy says nothing of this class of goods",
        "交易政策未规定这类商品",
    ),
    "code-revoked": ("The code was revoked", "该验真码已作废"),
    "command-cancelled": ("The command was cancelled", "该命令已被取消"),
    "command-conflict": ("This command id was used for other bytes", "该命令编号已用于其他内容"),
    "copy-differs": ("Two copies differ", "两份副本不一致"),
    "credit-not-earned": ("The line has not earned this", "该订单行未产生此信用或积分"),
    "credit-too-low": ("The member does not have as much", "会员的信用或积分不足"),
    "currency-mixed": ("The order is in another currency", "订单使用另一种货币"),
    "database-damaged": ("The database is damaged", "数据库已损坏"),
    "database-unavailable": ("The database is not available", "数据库暂不可用"),
    "delivery-late": ("The time to deliver is over", "交付期限已过"),
    "disclosure-invalid": ("A disclosure does not match", "披露内容不符"),
    "chargeback-ended": ("The chargeback has ended", "该拒付已有结果"),
    "chargeback-exists": ("The chargeback was recorded before", "该拒付已有记录"),
    "chargeback-too-large": ("Less is left of the line", "该订单行可拒付的金额不足"),
    "nothing-to-recover": (
        "The merchant has nothing that could be taken",
        "商家目前没有可扣收的款项",
    ),
    "unknown-chargeback": ("No such chargeback", "没有这个拒付"),
    "deposit-agreed": ("The merchant agreed to this deposit already", "商家已同意该保证金约定"),
    "deposit-not-agreed": ("The merchant agreed to no deposit", "商家尚未同意保证金约定"),
    "deposit-too-low": ("Less is available of the deposit", "保证金可用余额不足"),
    "disk-low": ("Too little disk space is left", "磁盘空间不足"),
    "duplicate-command": ("The command id was recorded before", "该命令编号已有记录"),
    "entry-damaged": ("A stored entry is damaged", "已存的条目已损坏"),
    "entry-not-found": ("No entry at this index", "该位置没有条目"),
    "entry-missing": ("An entry is missing", "条目缺失"),
    "expired": ("The command has expired", "该命令已过期"),
    "export-conflict": ("The folder holds something else", "文件夹中另有内容"),
    "facts-disagree": ("The ledger found a fault in itself", "账本发现自身错误"),
    "goods-differ": ("The item is of another class or product", "该物品属于另一类别或产品"),
    "head-behind": ("Published entries are gone", "已发布的条目丢失"),
    "head-moved": ("Another writer was first", "另一写入者抢先"),
    "item-escrowed": ("The item is with an agent", "该物品已交由代理方托管"),
    "item-flagged": ("The card key is another item's too", "该物品的卡密与另一物品重复"),
    "item-not-escrowed": ("The item is with no agent", "该物品未交由任何代理方托管"),
    "item-not-for-sale": ("The item is in nobody's escrow", "该物品未交由代理方托管出售"),
    "item-not-sold": ("The order did not sell the item last", "该物品最近一次并非由该订单售出"),
    "item-reserved": ("An order is made for the item", "该物品已被订单占用"),
    "not-buyer": ("Only the order's buyer may do this", "只有该订单的买家可以操作"),
    "order-exists": ("An order of this number was placed already", "该订单号已被使用"),
    "order-not-found": ("No such order", "没有这个订单"),
    "order-not-open": ("The order can no longer be paid", "该订单已不能付款"),
    "price-differs": ("The listing asks for another price", "商品页价格不同"),
    "snapshot-differs": ("The listing is not what the buyer saw", "商品页与买家所见不一致"),
    "timer-not-due": ("Nothing is due", "尚无到期事项"),
    "too-many-unpaid": ("Too many orders of the buyer are unpaid", "该买家未付款的订单过多"),
    "transaction-aborted": ("The database gave way to another writer", "数据库让位于另一写入者"),
    "imported-party-claimed": ("The imported party is claimed already", "该导入主体已被认领"),
    "internal-error": ("Something went wrong here", "服务器内部错误"),
    "invariant-broken": ("A rule of the ledger would break", "将违反账本的基本规则"),
    "item-exists": ("The item is registered already", "该物品已登记"),
    "item-frozen": ("The item is frozen", "该物品已被冻结"),
    "item-not-found": ("No such item", "没有这件物品"),
    "item-not-frozen": ("The item is not frozen", "该物品未被冻结"),
    "item-under-signature": ("The item is under a signature", "该物品已由密钥持有人签署"),
    "key-cooling-down": ("The key is cooling down", "该密钥处于冷却期"),
    "key-damaged": ("A key of the vault is damaged", "保险库密钥已损坏"),
    "key-file-invalid": ("A key file cannot be used", "密钥文件不可用"),
    "key-missing": ("A key of the vault is missing", "保险库密钥缺失"),
    "key-not-stored": ("A key of the vault cannot be stored", "保险库密钥无法保存"),
    "key-not-valid": ("The key is not valid", "该密钥无效"),
    "key-used": ("The key was registered before", "该密钥曾被登记"),
    "last-key": ("The last key cannot be given up", "不能放弃最后一把密钥"),
    "ledger-exists": ("There is a ledger already", "账本已存在"),
    "ledger-not-open": ("There is no ledger here", "此处没有账本"),
    "labels-differ": (
        "The trade policy gives the merchant other labels",
        "该商家按现行交易政策应有的标识与此不同",
    ),
    "labels-unchanged": ("The merchant has these labels", "该商家的标识没有变化"),
    "level-differs": (
        "The trade policy gives the member another level",
        "交易规则给予该会员的等级不同",
    ),
    "level-unchanged": ("The member has this level", "该会员的等级没有变化"),
    "line-delivered": ("The line was delivered already", "该订单行已交付"),
    "line-not-delivered": ("The line was not delivered yet", "该订单行尚未交付"),
    "line-not-held": ("Nothing is in escrow for this line", "该订单行没有托管资金"),
    "listing-ended": ("The listing has ended", "该商品页已下架"),
    "listing-not-found": ("No such listing", "没有这个商品页"),
    "listing-unchanged": ("The edit changes nothing", "修改没有任何变化"),
    "log-unreadable": ("The log cannot be read", "日志无法读取"),
    "malformed": ("Not in the one accepted form", "格式不符合要求"),
    "unknown-claim": ("No such claim", "没有这个索赔"),
    "unknown-line": ("The order has no such line", "订单没有这一行"),
    "unknown-order": ("No such order", "没有该订单"),
    "unknown-version": ("A version or algorithm that is not known here", "版本或算法未知"),
    "signer-error": ("The signer of checkpoints did not sign", "检查点签名者未签名"),
    "mark-missing": ("The signer's mark is missing", "签名者的标记缺失"),
    "mark-moved": (
        "Another publisher extended the tree",
        "签名者的树已被另一发布者扩展",
    ),
    "tree-disagrees": (
        "Publisher and signer disagree",
        "发布者与签名者算出的树不同",
    ),
    "signature-faulty": ("The checkpoint key made a faulty signature", "检查点密钥生成了无效签名"),
    "note-differs": ("The signer answered with another note", "签名者返回了另一份检查点"),
    "signer-unavailable": ("The signer cannot be reached", "无法连接签名者"),
    "signer-refused": ("The signer refused to serve", "签名者拒绝服务"),
    "signer-protocol": ("Not in the signer's protocol", "不符合签名者协议"),
    "commitment-differs": ("Not what was committed to", "与承诺值不符"),
    "card-duplicate": ("You have registered this card key already", "您已登记过该卡密"),
    "card-rejected": ("The card key cannot be registered", "该卡密无法登记"),
    "uploads-capped": ("Too many card keys were rejected today", "今日被拒卡密过多"),
    "card-index-unavailable": ("Card keys cannot be checked now", "暂时无法核对卡密"),
    "parcel-not-found": ("No parcel is kept for this line", "此行没有存放的交付包"),
    "parcel-refused": ("The parcel does not open", "无法打开交付包"),
    "hardware-key-unavailable": (
        "A hardware key cannot be used",
        "无法使用硬件模块中的密钥",
    ),
    "mark-damaged": ("The signer's mark is damaged", "签名者的标记已损坏"),
    "mark-not-adopted": ("The mark was not adopted", "未采纳该标记"),
    "rule-differs": ("A stored entry breaks the rules", "存储的条目不符合规则"),
    "member-signature-lost": ("A member's signature is lost", "成员签名丢失"),
    "merchant-not-found": ("No such merchant", "没有这个商家"),
    "method-not-allowed": ("The path does not take this method", "该路径不支持此方法"),
    "mirror-refused": ("A copy of the log breaks its rules", "日志副本违反规则"),
    "mirror-unusable": ("A copy of the log cannot be used", "日志副本不可用"),
    "missing-expectation": ("The command must say what it expects", "命令缺少必要的预期状态"),
    "namespace-taken": ("The namespace is owned already", "该命名空间已有所有者"),
    "namespace-differs": ("The merchant has another namespace", "该商家使用另一个命名空间"),
    "no-such-change": ("No such key change is waiting", "没有这项待处理的密钥变更"),
    "no-such-offer": ("No such offer stands", "没有这项有效的要约"),
    "not-agent": ("Another party delivers this item", "该物品由其他方交付"),
    "not-authorised": ("This is not for the signer to read", "签署者无权读取该内容"),
    "not-found": ("Nothing is served here", "此路径没有内容"),
    "not-namespace-owner": ("Only the namespace's owner may do this", "只有命名空间所有者可以操作"),
    "not-owner": ("Only the item's owner may do this", "只有物品所有者可以操作"),
    "not-published": ("Not published yet", "尚未发布"),
    "not-recipient": ("The offer was made to another party", "该要约是向他人作出的"),
    "not-yet-valid": ("The command is dated too far ahead", "命令日期过于超前"),
    "notice-too-long": ("The policy would take effect too late", "规则生效时间过晚"),
    "notice-too-short": ("The policy needs a longer notice", "规则公示期不足"),
    "nothing-to-prove": ("The item has no entries there", "该物品在此没有条目"),
    "offer-ended": ("The offer has ended", "该要约已结束"),
    "offer-pending": ("The item is on offer already", "该物品已在要约中"),
    "other-view": ("The signer saw another log", "签署者看到的是另一份账本"),
    "out-of-order": ("The sale is older than the last one", "该交易早于最近一笔交易"),
    "outcome-unknown": ("Nobody knows yet whether it was recorded", "尚不知是否已记录"),
    "outcome-not-allowed": (
        "This outcome is for the other side to choose",
        "该处理结果应由另一方选择",
    ),
    "parcel-differs": (
        "A card goes in a parcel where the order brought a key",
        "订单带有公钥时卡密须以密文包交付",
    ),
    "party-exists": ("The party is registered already", "该主体已登记"),
    "party-not-found": ("No such party", "没有这个主体"),
    "policy-not-in-force": ("Another policy is in force", "现行政策与所指不同"),
    "policy-pending": ("Another trade policy waits for its day", "另有交易规则待生效"),
    "policy-unchanged": ("This policy is in force already", "该政策已在生效"),
    "proof-not-available": ("This proof is not available", "无法提供该证明"),
    "proof-too-large": ("The proof is too large", "证明过大"),
    "qualification-ended": ("The qualification is over already", "该资质已到期"),
    "queue-full": ("Too many commands wait already", "等待写入的命令过多"),
    "quota-exceeded": ("The party asks too much at once", "该主体的请求过于频繁"),
    "read-back-differs": ("A stored value differs", "已存的值不一致"),
    "read-too-wide": ("Too much was asked for at once", "一次请求的范围过大"),
    "refund-too-large": ("More would be refunded than is left", "退款超过该行剩余金额"),
    "refused": ("A rule says no", "规则不允许"),
    "request-replayed": ("The signed request came before", "该签名请求已使用过"),
    "request-signature-invalid": ("The request's signature is not in order", "请求的签名无效"),
    "request-stale": ("The signed request is not of this minute", "签名请求的时间超出允许范围"),
    "request-unsigned": ("The request must be signed", "该请求必须签名"),
    "role-held": ("The party holds this role already", "该主体已持有此角色"),
    "role-missing": ("The signer lacks the role", "签署者没有此角色"),
    "role-not-held": ("The party does not hold this role", "该主体未持有此角色"),
    "root-differs": ("The stored tree differs", "已存的树不一致"),
    "sale-present": ("The sale is in the ledger already", "该交易已在账本中"),
    "same-party": ("Two different parties are needed", "需要两个不同的主体"),
    "schema-too-new": ("The database is of a later version", "数据库版本过新"),
    "schema-too-old": ("The database must be migrated", "数据库需要升级"),
    "second-party-needed": ("A second party must sign", "需要第二方签署"),
    "server-busy": ("The server has too much to do", "服务器繁忙"),
    "sign-locked": ("Signing is locked", "签名已锁定"),
    "signature-count": ("One signature for each signer is needed", "每位签署者需要一个签名"),
    "signature-invalid": ("A signature does not hold", "签名无效"),
    "stale-expectation": ("The state has changed since", "状态已发生变化"),
    "storage-error": ("The storage contradicts itself", "存储自相矛盾"),
    "supplier-not-qualified": ("The merchant is not qualified for this", "商家不具备该类商品资质"),
    "tile-conflict": ("A stored tile differs", "已存的哈希块不一致"),
    "tile-not-found": ("No such tile was published", "没有发布过这个哈希块"),
    "too-large": ("The command is too large", "命令过大"),
    "unknown-currency": ("The policy has no such currency", "政策中没有这种货币"),
    "unknown-item": ("The item is not registered", "该物品未登记"),
    "unknown-kind": ("There is no such kind of command", "没有这种命令"),
    "unknown-listing": ("There is no such listing", "没有这个商品页"),
    "unknown-merchant": ("There is no such merchant", "没有这个商家"),
    "unknown-namespace": ("Nobody has opened this namespace", "该命名空间尚未开启"),
    "unknown-party": ("The party is not registered", "该主体未登记"),
    "unsafe-database": ("The database is not set up safely", "数据库设置不安全"),
    "vault-error": ("A sealed value cannot be read", "无法读取密封内容"),
    "view-behind": ("The view is not up to date yet", "视图尚未更新"),
    "views-damaged": ("The views must be rebuilt", "视图需要重建"),
    "weak-key": ("The key is weak", "该密钥不安全"),
    "witness-not-independent": ("The second party is not independent", "第二方不独立"),
    "write-contended": ("Other writers were first", "其他写入者抢先"),
    "write-locked": ("The ledger is locked", "账本已锁定"),
    "writer-stopped": ("The server is stopping", "服务器正在停止"),
    "wrong-checkpoint-key": ("Another checkpoint key", "检查点密钥不符"),
    "withdrawal-blocked": ("The deposit is not paid back now", "保证金暂不能退还"),
    "withdrawal-not-requested": ("No part of the deposit was asked for", "尚未申请退还保证金"),
    "withdrawal-requested": ("A part of the deposit is asked for already", "已有退还保证金的申请"),
    "wrong-log": ("The command is for another log", "该命令属于另一账本"),
    "wrong-media-type": ("The body is not plain JSON", "请求内容类型不是 JSON"),
    "wrong-signers": ("The signers are not the right ones", "签署者不符合要求"),
}

_WEIGHTS = 1000
_CHOICES_MAX = 32


def language_of(accept: str) -> str:
    """Choose the language of an answer.

    Args:
        accept: The request's `Accept-Language`, or an empty string.

    Returns:
        `zh` or `en`; English where the client asks for neither.

    Spec: RFC 9110 section 12.5.4.

    """
    best, best_weight = LANGUAGES[0], 0
    for choice in accept.split(",")[:_CHOICES_MAX]:
        tag, _, parameters = choice.partition(";")
        language = tag.strip().lower().partition("-")[0]
        weight = _weight(parameters.strip())
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best


def _weight(parameter: str) -> int:
    """Read `q=0.8` as thousandths; 0 where it is none, which is no wish at all."""
    if not parameter:
        return _WEIGHTS
    name, _, value = parameter.partition("=")
    whole, _, fraction = value.strip().partition(".")
    digits = fraction.ljust(3, "0")
    readable = whole in {"0", "1"} and len(digits) <= 3 and f"0{fraction}".isdecimal()  # noqa: PLR2004
    if name.strip().lower() != "q" or not (readable and digits.isascii()):
        return 0
    return min(int(whole) * _WEIGHTS + int(digits), _WEIGHTS)


def title_of(code: str, language: str) -> str:
    """Give the title of a problem in `en` or `zh`."""
    return TITLES[code][LANGUAGES.index(language)]
