"""What the values of the model are called, in both languages."""

from secops.model.city import AssetKind, CentreRole, ImpactDegree, ImpactObject, Importance, Level, Tier
from secops.model.text import Text

LEVELS = {
    Level.L1: Text("第一级", "level 1"),
    Level.L2: Text("第二级", "level 2"),
    Level.L3: Text("第三级", "level 3"),
    Level.L4: Text("第四级", "level 4"),
    Level.L5: Text("第五级", "level 5"),
}
OBJECTS = {
    ImpactObject.LEGAL_RIGHTS: Text(
        "公民、法人和其他组织的合法权益", "the lawful rights of citizens, legal persons and other organisations"
    ),
    ImpactObject.PUBLIC_ORDER: Text("社会秩序、公共利益", "social order and public interest"),
    ImpactObject.NATIONAL_SECURITY: Text("国家安全", "national security"),
}
DEGREES = {
    ImpactDegree.GENERAL: Text("一般损害", "general harm"),
    ImpactDegree.SERIOUS: Text("严重损害", "serious harm"),
    ImpactDegree.EXTREME: Text("特别严重损害", "extremely serious harm"),
}
IMPORTANCES = {
    Importance.GENERAL: Text("一般", "general"),
    Importance.IMPORTANT: Text("重要", "important"),
    Importance.CORE: Text("核心", "core"),
}
TIERS: dict[Tier | None, Text] = {
    None: Text("不要求", "none"),
    Tier.DATA: Text("数据级", "data"),
    Tier.APPLICATION: Text("应用级", "application"),
    Tier.BUSINESS: Text("业务级", "business"),
}
ROLES = {
    CentreRole.PRODUCTION: Text("本地云中心", "production centre"),
    CentreRole.LOCAL_DR: Text("云灾备中心", "local DR centre"),
    CentreRole.REMOTE_DR: Text("异地云灾备中心", "remote DR centre"),
}
KINDS = {
    AssetKind.WEBSITE: Text("网站", "website"),
    AssetKind.PAGE: Text("页面", "page"),
    AssetKind.HOST: Text("主机", "host"),
    AssetKind.DATABASE: Text("数据库", "database"),
    AssetKind.NETWORK_DEVICE: Text("网络设备", "network device"),
    AssetKind.FILE_TREE: Text("文件目录", "file tree"),
}
