"""The closed list of why templates are not run, in words."""

from secops.model.text import Text

FEATURES: dict[str, Text] = {
    "not-yaml": Text(zh="不是有效的 YAML", en="is not valid YAML"),
    "not-a-template": Text(zh="没有 id、info 或请求，不是模板", en="has no id, info or requests: not a template"),
    "too-large": Text(zh="文件过大", en="is too large"),
    "unreadable": Text(zh="文件无法读取", en="cannot be read"),
    "protocol": Text(zh="使用 HTTP 以外的协议", en="uses another protocol than HTTP"),
    "self-contained": Text(
        zh="自带目标：它访问第三方而不是被扫描的系统",
        en="brings its own target: it asks third parties, not the scanned system",
    ),
    "workflow": Text(zh="是工作流，不是模板", en="is a workflow, not a template"),
    "flow-script": Text(zh="flow 是脚本，只支持布尔组合", en="its flow is a script; only boolean chains are run"),
    "block-key": Text(zh="请求块里有不认识的键", en="has a key in a request block that is not known"),
    "value": Text(zh="某个键的值不可用", en="has a value that cannot be used"),
    "fuzzing": Text(zh="对已有请求做变异（DAST 规则）", en="varies requests that were captured before (a DAST rule)"),
    "race": Text(zh="竞态请求", en="sends requests in a race"),
    "digest-login": Text(zh="摘要认证登录", en="logs in by digest authentication"),
    "signature": Text(zh="云厂商请求签名", en="signs requests for a cloud"),
    "global-matchers": Text(zh="全局匹配器", en="has matchers for the answers of all templates"),
    "matcher-kind": Text(zh="不认识的匹配器类型", en="has a kind of matcher that is not known"),
    "matcher-offset": Text(zh="限定偏移的匹配器", en="has a matcher for a fixed place"),
    "extractor-kind": Text(zh="不认识的提取器类型", en="has a kind of extractor that is not known"),
    "regex": Text(zh="正则表达式无法编译", en="has a regular expression that cannot be compiled"),
    "expression": Text(zh="表达式有语法错误", en="has a mistake in an expression"),
    "helper": Text(zh="使用不支持的辅助函数", en="uses a helper function that is not supported"),
    "json-query": Text(zh="JSON 查询无法编译", en="has a JSON query that cannot be compiled"),
    "xpath": Text(zh="XPath 无法编译", en="has an XPath that cannot be compiled"),
    "binary": Text(zh="不是十六进制数据", en="has data that are not hexadecimal"),
    "payload-file": Text(
        zh="载荷文件不存在或不在模板目录内", en="names a payload file that is not there, or outside its folder"
    ),
    "payloads": Text(zh="载荷无法使用", en="has payloads that cannot be used"),
    "raw-request": Text(zh="原始请求无法读取", en="has a raw request that cannot be read"),
    "fixed-host": Text(zh="请求固定的外部主机", en="asks a fixed host, not the scanned system"),
    "duplicate-id": Text(zh="另一个模板已使用同一 id", en="has the id of another template"),
}
