"""Why the operating system refuses, in both languages: its own words are English."""

import errno
import os

from secops.model.text import Text

_ZH = {
    errno.EACCES: "没有权限",
    errno.EADDRINUSE: "地址已被占用",
    errno.EADDRNOTAVAIL: "本机没有这个地址",
    errno.EBUSY: "正被使用",
    errno.ECONNABORTED: "连接被中止",
    errno.ECONNREFUSED: "连接被拒绝",
    errno.ECONNRESET: "连接被对方断开",
    errno.EDQUOT: "磁盘配额已满",
    errno.EEXIST: "已经存在",
    errno.EFBIG: "文件太大",
    errno.EHOSTUNREACH: "主机不可达",
    errno.EINVAL: "参数无效",
    errno.EIO: "读写硬件出错",
    errno.EISDIR: "是目录,不是文件",
    errno.ELOOP: "符号链接层数太多",
    errno.EMFILE: "打开的文件太多",
    errno.ENAMETOOLONG: "文件名太长",
    errno.ENETUNREACH: "网络不可达",
    errno.ENFILE: "系统打开的文件太多",
    errno.ENODEV: "没有这个设备",
    errno.ENOENT: "没有这个文件或目录",
    errno.ENOEXEC: "不是可执行的程序",
    errno.ENOMEM: "内存不足",
    errno.ENOSPC: "磁盘已满",
    errno.ENOTCONN: "没有连接",
    errno.ENOTDIR: "路径中有一段不是目录",
    errno.ENOTEMPTY: "目录不为空",
    errno.ENOTSUP: "系统不支持",
    errno.ENXIO: "没有这个设备",
    errno.EPERM: "不允许的操作",
    errno.EPIPE: "对方已关闭",
    errno.EROFS: "文件系统只读",
    errno.ESTALE: "网络文件系统上的文件已失效",
    errno.ETIMEDOUT: "超时",
    errno.ETXTBSY: "程序正在运行",
    errno.EXDEV: "跨越了文件系统",
}


def why(error: OSError) -> Text:
    """Its reason; in the system's words where we have none, or where they are no code's own."""
    en = error.strerror or str(error) or type(error).__name__
    if error.errno is None or en != os.strerror(error.errno):
        return Text(en, en)
    return Text(_ZH.get(error.errno, en), en)
